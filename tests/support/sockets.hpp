// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/system_error.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>

#include <cstdint>
#include <system_error>
#include <utility>

namespace berth::testing {

/// What a stranger gets who binds `address`:`port` with no option at all.
template <class Protocol>
[[nodiscard]] std::error_code bind_plainly(const asio::ip::address& address,
                                           std::uint16_t port)
{
    asio::io_context context;
    const typename Protocol::endpoint to(address, port);
    typename Protocol::socket socket(context, to.protocol());
    std::error_code ec;
    socket.bind(to, ec);
    return detail::as_system_error(ec);
}

/// Whether an IPv4 loopback TCP port is free.
[[nodiscard]] inline bool is_free(std::uint16_t port)
{
    return !bind_plainly<asio::ip::tcp>(asio::ip::address_v4::loopback(), port);
}

/// The port of a socket; 0 where it is not bound.
template <class Socket>
[[nodiscard]] std::uint16_t port_of(const Socket& socket)
{
    std::error_code ec; // Windows has no address for an unbound socket
    return socket.local_endpoint(ec).port();
}

/// What connect() says.
[[nodiscard]] inline std::error_code connect_to(const asio::ip::address& address,
                                                std::uint16_t port)
{
    asio::io_context context;
    asio::ip::tcp::socket socket(context);
    std::error_code ec;
    socket.connect({address, port}, ec);
    return detail::as_system_error(ec);
}

/// Two ends of a connection through `acceptor`.
[[nodiscard]] inline std::pair<asio::ip::tcp::socket, asio::ip::tcp::socket>
connect_through(asio::ip::tcp::acceptor& acceptor, const asio::ip::address& address)
{
    asio::ip::tcp::socket client(acceptor.get_executor());
    client.connect({address, acceptor.local_endpoint().port()});
    return {std::move(client), acceptor.accept()};
}

} // namespace berth::testing
