// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../backend.hpp"
#include "../system.hpp"
#include "winsock.hpp"

#include <bit>
#include <new>

namespace berth::detail {

namespace {

static_assert(sizeof(protocol_info) == sizeof(WSAPROTOCOL_INFOW));

int family_of(const asio::ip::address& address) noexcept
{
    return address.is_v6() ? AF_INET6 : AF_INET;
}

int type_of(product what) noexcept
{
    return what == product::udp_socket ? SOCK_DGRAM : SOCK_STREAM;
}

// An unbound socket on which nobody else's options will count.
unique_socket open_exclusive(const asio::ip::address& address, product what,
                             std::error_code& ec) noexcept
{
    unique_socket socket = open_socket(family_of(address), type_of(what), ec);
    // IPv6 sockets are IPv6-only unless told otherwise.
    if (!ec && address.is_v6() && address.is_unspecified())
        ec = set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (!ec)
        ec = set_option(socket.get(), SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
    return socket;
}

asio::ip::address wildcard_beside(const asio::ip::address& address) noexcept
{
    if (address.is_v6())
        return asio::ip::address_v6::any();
    return asio::ip::address_v4::any();
}

// Whether a port is free on every address. Microsoft's table of binds lets an exclusive socket on
// one address in beside a server on the wildcard, whose clients it would take
// (https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse).
// An exclusive socket on the wildcard is let in beside nobody: WSAEADDRINUSE says that somebody
// has the port, WSAEACCES that the range is excluded (Hyper-V, WinNAT, an administrator).
std::error_code probe(const asio::ip::address& address, product what,
                      std::uint16_t port) noexcept
{
    const asio::ip::address everywhere = wildcard_beside(address);
    std::error_code ec;
    const unique_socket socket = open_exclusive(everywhere, what, ec);
    return ec ? ec : bind_to(socket.get(), everywhere, port);
}

std::error_code bind_exclusive(native_socket socket, allocation& one)
{
    const bool everywhere = one.address.is_unspecified();
    const auto step = one.hunt.search([&](std::uint16_t port) {
        const auto taken =
            everywhere ? std::error_code() : probe(one.address, one.what, port);
        return taken ? taken : bind_to(socket, one.address, port);
    });
    if (step.port != 0 || step.ec) {
        one.port = step.port;
        return step.ec;
    }
    std::error_code ec;
    one.port = bind_anywhere(socket, one.address, ec);
    return ec;
}

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
            else if (one.what == product::lease)
                one.handle = static_cast<std::uint32_t>(one.socket.release());
        }
        return {};
    }

    void close(std::uint32_t handle) noexcept override { close_socket(handle); }

    // No socket can share its address safely: what SO_REUSEADDR lets in may be anybody, and may
    // be given the connections of the first.
    std::error_code set_mode(std::uint32_t, lease_mode mode) noexcept override
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
        one.socket = open_exclusive(one.address, one.what, ec);
        if (!ec)
            ec = bind_exclusive(one.socket.get(), one);
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
