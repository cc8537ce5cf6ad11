// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../backend.hpp"
#include "winsock.hpp"

#include <bit>
#include <new>

namespace berth::detail {

namespace {

static_assert(sizeof(protocol_info) == sizeof(WSAPROTOCOL_INFOW));

/// Winsock, call by call. A lease's handle is its socket: of a Windows handle 32 bits count
/// (https://learn.microsoft.com/windows/win32/winprog64/interprocess-communication).
class winsock_backend final : public port_backend {
public:
    std::error_code run(std::span<allocation> batch) noexcept override
    {
        for (allocation& one : batch) {
            try {
                one.ec = allocate(one);
            } catch (const std::bad_alloc&) {
                one.ec = std::make_error_code(std::errc::not_enough_memory);
            }
            if (one.ec)
                one.socket = {};
            else if (one.is_lease())
                one.handle = static_cast<std::uint32_t>(one.socket.release());
        }
        return {};
    }

    void close(std::uint32_t handle) noexcept override { close_socket(handle); }

    // No socket can share its address safely: what SO_REUSEADDR lets in may be anybody, and may
    // be given the connections of the first.
    std::error_code set_mode(std::uint32_t, holder_kind,
                             lease_mode mode) noexcept override
    {
        if (mode == lease_mode::sealed)
            return {};
        return {ERROR_NOT_SUPPORTED, system_errors()};
    }

    unique_socket duplicate(std::uint32_t handle, std::error_code& ec) noexcept override
    {
        const protocol_info info = duplicate_for(handle, ::GetCurrentProcessId(), ec);
        return ec ? unique_socket()
                  : open_socket(std::bit_cast<WSAPROTOCOL_INFOW>(info), ec);
    }

    protocol_info duplicate_for(std::uint32_t handle, std::uint32_t process,
                                std::error_code& ec) noexcept override
    {
        WSAPROTOCOL_INFOW info = {};
        ec = ::WSADuplicateSocketW(handle, process, &info) != 0 ? last_error()
                                                                : std::error_code();
        return std::bit_cast<protocol_info>(info);
    }

private:
    static std::error_code allocate(allocation& one)
    {
        std::error_code ec;
        const int type = one.is_udp() ? SOCK_DGRAM : SOCK_STREAM;
        one.socket = open_exclusive(one.address, type, one.ipv6_only, ec);
        if (!ec) {
            const auto step = bind_hunted(one.socket.get(), type, one.address,
                                          one.beside_own, one.hunt);
            one.port = step.port;
            ec = step.ec;
        }
        one.mode = lease_mode::sealed;
        if (!ec && one.what == product::tcp_acceptor && one.listen &&
            ::listen(one.socket.get(), one.backlog) != 0)
            ec = last_error();
        return ec;
    }

    const winsock started_;
};

} // namespace

std::unique_ptr<port_backend> make_system_backend()
{
    return std::make_unique<winsock_backend>();
}

} // namespace berth::detail
