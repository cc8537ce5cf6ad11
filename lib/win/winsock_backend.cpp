// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../backend.hpp"
#include "../socket_steps.hpp"
#include "winsock.hpp"

#include <new>

namespace berth::detail {

namespace {

std::error_code carry_out(socket_step step, int type, allocation& one)
{
    const native_socket socket = one.socket.get();
    switch (step) {
    case socket_step::set_ipv6_only:
        return set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, one.spec.ipv6_only ? 1 : 0);
    case socket_step::set_exclusive:
        return set_option(socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
    case socket_step::bind: {
        const port_hunt::step last = search_and_bind(socket, type, one.spec, one.hunt);
        one.port = last.port;
        return last.ec;
    }
    case socket_step::listen:
        return ::listen(socket, one.spec.backlog) != 0 ? last_error() : std::error_code();
    default:
        return {ERROR_NOT_SUPPORTED, system_errors()};
    }
}

std::error_code allocate(allocation& one)
{
    std::error_code ec;
    const int type = one.spec.udp ? SOCK_DGRAM : SOCK_STREAM;
    one.socket = open_socket(one.spec.address, type, ec);
    if (ec)
        return ec;
    for (const socket_step step : steps_for(one.spec))
        if (ec = carry_out(step, type, one); ec)
            return ec;
    return {};
}

/// Winsock, call by call.
class winsock_backend final : public port_backend {
public:
    void run(std::span<allocation> batch) noexcept override
    {
        for (allocation& one : batch) {
            try {
                one.ec = allocate(one);
            } catch (const std::bad_alloc&) {
                one.ec = std::make_error_code(std::errc::not_enough_memory);
            }
            if (one.ec)
                one.socket = {};
        }
    }

    backend_status status() override { return {backend::winsock, true, {}}; }

private:
    const winsock started_;
};

} // namespace

std::unique_ptr<port_backend> make_system_backend()
{
    return std::make_unique<winsock_backend>();
}

} // namespace berth::detail
