// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "open_and_bind.hpp"

#include "../fork_registry.hpp"
#include "../socket_steps.hpp"
#include "../system.hpp"
#include "last_error.hpp"
#include "set_option.hpp"
#include "socket_address.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>

namespace berth::detail {

namespace {

std::optional<bool> is_ipv6_only(const allocation& one) noexcept
{
    int value = 0;
    socklen_t size = sizeof(value);
    if (::getsockopt(one.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &value, &size) != 0)
        return std::nullopt;
    return value != 0;
}

// Returns what the IPv6 sockets of a batch have, where it is cheaper to ask than to set it on each: a
// new socket has net.ipv6.bindv6only of its moment (inet6_create(), net/ipv6/af_inet6.c), so that
// the first and the last tell for all.
std::optional<bool> is_ipv6_only(std::span<const allocation> batch) noexcept
{
    const auto has_option = [](const allocation& one) {
        return !one.ec && one.spec.address.is_v6();
    };
    constexpr int worth_asking = 3;
    if (std::ranges::count_if(batch, has_option) < worth_asking)
        return std::nullopt;
    const auto first = is_ipv6_only(*std::ranges::find_if(batch, has_option));
    const auto last =
        is_ipv6_only(*std::find_if(batch.rbegin(), batch.rend(), has_option));
    return first == last ? first : std::nullopt;
}

std::error_code connect_to_silent_peer(const allocation& one) noexcept
{
    const socket_address peer = silent_peer(one.spec.address);
    return ::connect(one.socket.get(), peer.data(), peer.size()) != 0 ? last_error()
                                                                      : std::error_code();
}

// Carries out any step but `bind`.
std::error_code carry_out(socket_step step, const allocation& one) noexcept
{
    const int socket = one.socket.get();
    switch (step) {
    case socket_step::set_ipv6_only:
        return set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, one.spec.ipv6_only ? 1 : 0);
    case socket_step::connect:
        return connect_to_silent_peer(one);
    case socket_step::set_reuse_address:
        return set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    case socket_step::set_reuse_port:
        return set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1);
    case socket_step::listen:
        return ::listen(socket, one.spec.backlog) != 0 ? last_error() : std::error_code();
    case socket_step::bind:
    case socket_step::set_exclusive:
        break;
    }
    return std::make_error_code(std::errc::operation_not_supported);
}

void fail(allocation& one, const std::error_code& ec) noexcept
{
    one.ec = ec;
    one.socket = {};
}

void open_all(std::span<allocation> batch, batch_calls& through) noexcept
{
    const fork_guard guard;
    through.open(batch);
    for (const allocation& one : batch)
        if (!one.ec && one.spec.use == socket_use::hold)
            close_in_child(one.socket.get());
}

void prepare_all(std::span<allocation> batch) noexcept
{
    const std::optional<bool> ipv6_only = is_ipv6_only(batch);
    for (allocation& one : batch) {
        for (const socket_step step : steps_for(one.spec)) {
            if (one.ec || step == socket_step::bind)
                break;
            if (step == socket_step::set_ipv6_only && ipv6_only == one.spec.ipv6_only)
                continue;
            if (const std::error_code ec = carry_out(step, one))
                fail(one, ec);
        }
    }
}

void finish(allocation& one) noexcept
{
    bool is_after_bind = false;
    for (const socket_step step : steps_for(one.spec)) {
        if (is_after_bind)
            if (const std::error_code ec = carry_out(step, one))
                return fail(one, ec);
        is_after_bind = is_after_bind || step == socket_step::bind;
    }
    one.port = one.hunt.current();
}

// Calls a step of the hunt; true where there is a port to try next.
template <class Step>
bool go_on(allocation& one, Step&& next) noexcept
{
    try {
        const port_hunt::step step = next();
        if (step.port != 0)
            return true;
        fail(one, step.ec);
    } catch (const std::bad_alloc&) {
        fail(one, std::make_error_code(std::errc::not_enough_memory));
    }
    return false;
}

} // namespace

void system_calls::open(allocation& one) noexcept
{
    const int type = one.spec.udp ? SOCK_DGRAM : SOCK_STREAM;
    const int family = one.spec.address.is_v6() ? AF_INET6 : AF_INET;
    one.socket = unique_socket(::socket(family, type | SOCK_CLOEXEC, 0));
    if (one.socket.get() == no_socket)
        one.ec = last_error();
}

void system_calls::bind(allocation& one) noexcept
{
    one.said = bind_to(one.socket.get(), one.spec.address, one.hunt.current());
}

void system_calls::open(std::span<allocation> batch) noexcept
{
    for (allocation& one : batch)
        open(one);
}

void system_calls::bind(std::span<allocation* const> tries) noexcept
{
    for (allocation* const one : tries)
        bind(*one);
}

void open_and_bind(std::span<allocation> batch, batch_calls& through) noexcept
{
    open_all(batch, through);
    prepare_all(batch);

    std::array<allocation*, max_batch> tries; // the first `count` of them
    std::size_t count = 0;
    for (allocation& one : batch)
        if (!one.ec && go_on(one, [&one] { return one.hunt.start(); }))
            tries[count++] = &one;
    while (count != 0) {
        through.bind(std::span(tries).first(count));
        std::size_t refused = 0;
        for (allocation* const one : std::span(tries).first(count)) {
            if (!one->said)
                finish(*one);
            else if (go_on(*one, [one] {
                         return one->hunt.refused(one->hunt.current(), one->said);
                     }))
                tries[refused++] = one;
        }
        count = refused;
    }
}

namespace {

class posix_backend final : public port_backend {
public:
    void run(std::span<allocation> batch) noexcept override
    {
        open_and_bind(batch, calls_);
    }

    backend_status status() override { return {backend::syscalls, true, {}}; }

private:
    system_calls calls_;
};

} // namespace

std::unique_ptr<port_backend> make_system_backend()
{
    return std::make_unique<posix_backend>();
}

} // namespace berth::detail
