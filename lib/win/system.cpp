// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../system.hpp"

#include "winsock.hpp"

#include <berth/error.hpp>

#include <asio/ip/tcp.hpp>

#include <bit>

namespace berth {

namespace detail {

namespace {

static_assert(sizeof(protocol_info) == sizeof(WSAPROTOCOL_INFOW));

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
    const unique_socket probe = open_socket(asio::ip::address_v6::any(), SOCK_DGRAM, ec);
    if (ec == std::errc::too_many_files_open || ec == std::errc::no_buffer_space)
        throw std::system_error(ec, "WSASocket");
    return !ec;
}

port_hunt::step bind_own(native_socket socket, const asio::ip::address& address,
                         port_hunt& hunt)
{
    int type = 0;
    if (const std::error_code ec = prepare_own(socket, type))
        return {0, ec};
    return search_and_bind(socket, type, {.address = address}, hunt);
}

std::error_code bind_to(native_socket socket, const asio::ip::address& address,
                        std::uint16_t port) noexcept
{
    const asio::ip::tcp::endpoint to(address, port);
    return ::bind(socket, to.data(), static_cast<int>(to.size())) != 0
               ? last_error()
               : std::error_code();
}

// No socket can share its address safely: what SO_REUSEADDR lets in may be anybody, and may be given
// the connections of the first.
std::error_code set_mode(native_socket /*holder*/, bool /*udp*/, lease_mode mode) noexcept
{
    if (mode == lease_mode::sealed)
        return {};
    return {ERROR_NOT_SUPPORTED, system_errors()};
}

protocol_info describe_socket(native_socket socket, std::uint32_t process,
                              std::error_code& ec) noexcept
{
    WSAPROTOCOL_INFOW info = {};
    ec = ::WSADuplicateSocketW(socket, process, &info) != 0 ? last_error()
                                                            : std::error_code();
    return std::bit_cast<protocol_info>(info);
}

} // namespace detail

port_range port_range::system_ephemeral() noexcept
{
    return detail::ephemeral_range();
}

} // namespace berth
