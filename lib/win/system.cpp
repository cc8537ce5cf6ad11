// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../system.hpp"

#include "winsock.hpp"

#include <berth/error.hpp>

#include <asio/ip/tcp.hpp>

namespace berth {

namespace detail {

namespace {

// A TCP socket that others could share is refused; a UDP socket is its owner's business. One
// without SO_REUSEADDR is made exclusive: else others could set it, and share the port.
std::error_code prepare_own(native_socket socket, int& type) noexcept
{
    if (socket == no_socket)
        return {WSAEBADF, system_errors()};
    std::error_code ec;
    type = get_option(socket, SOL_SOCKET, SO_TYPE, ec);
    if (ec)
        return ec;
    const bool reusable = get_option(socket, SOL_SOCKET, SO_REUSEADDR, ec) != 0;
    if (ec)
        return ec;
    if (reusable)
        return type == SOCK_STREAM ? error::reuse_address_set : std::error_code();
    return set_option(socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
}

} // namespace

// The default since Windows Vista
// (https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang).
// An administrator can change it with netsh; no function of the system's tells the change. It
// says nothing of which ports are given: that is left to bind().
port_range ephemeral_range()
{
    return {49152, 65535};
}

// Excluded ranges (`netsh int ipv4 show excludedportrange tcp`) have no function either: bind()
// refuses their ports with WSAEACCES.
std::vector<port_range> reserved_ports()
{
    return {};
}

bool have_ipv6()
{
    std::error_code ec;
    const unique_socket probe = open_socket(AF_INET6, SOCK_DGRAM, ec);
    if (ec == std::errc::too_many_files_open || ec == std::errc::no_buffer_space)
        throw std::system_error(ec, "WSASocket");
    return !ec;
}

bool have_address(const asio::ip::address& address) noexcept
{
    std::error_code ec;
    const unique_socket probe =
        open_socket(address.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM, ec);
    return !ec && !bind_to(probe.get(), address, 0);
}

port_hunt::step bind_own(native_socket socket, const asio::ip::address& address,
                         port_hunt& hunt)
{
    int type = 0;
    if (const std::error_code ec = prepare_own(socket, type))
        return {0, ec};
    return bind_hunted(socket, type, address, false, hunt);
}

std::error_code bind_to(native_socket socket, const asio::ip::address& address,
                        std::uint16_t port) noexcept
{
    const asio::ip::tcp::endpoint to(address, port);
    return ::bind(socket, to.data(), static_cast<int>(to.size())) != 0
               ? last_error()
               : std::error_code();
}

bool watch_forks(void (*)()) noexcept
{
    return true;
}

} // namespace detail

port_range port_range::system_ephemeral() noexcept
{
    return detail::ephemeral_range();
}

} // namespace berth
