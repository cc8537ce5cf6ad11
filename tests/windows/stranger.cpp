// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "stranger.hpp"

#include <asio/ip/udp.hpp>
#include <asio/ip/v6_only.hpp>

#include <system_error>

namespace berth::testing {

namespace {

using exclusive_use =
    asio::detail::socket_option::boolean<SOL_SOCKET, SO_EXCLUSIVEADDRUSE>;

std::string said(const std::error_code& ec)
{
    switch (ec.value()) {
    case 0:
        return "ok";
    case WSAEADDRINUSE:
        return "INUSE";
    case WSAEACCES:
        return "ACCESS";
    default:
        return std::to_string(ec.value());
    }
}

template <class Socket>
void make_claim(Socket& socket, const std::string& address, claim what)
{
    if (address == "::")
        socket.set_option(asio::ip::v6_only(false));
    if (what == claim::reuse)
        socket.set_option(asio::socket_base::reuse_address(true));
    if (what == claim::exclusive)
        socket.set_option(exclusive_use(true));
}

} // namespace

std::string to_string(claim what)
{
    switch (what) {
    case claim::nothing:
        return "no option";
    case claim::reuse:
        return "SO_REUSEADDR";
    case claim::exclusive:
        return "SO_EXCLUSIVEADDRUSE";
    }
    return "?";
}

stranger::stranger(const std::string& address, claim what)
    : at_(asio::ip::make_address(address), 0), acceptor_(context_, at_.protocol())
{
    make_claim(acceptor_, address, what);
}

std::string stranger::bind(std::uint16_t port)
{
    std::error_code ec;
    at_.port(port);
    acceptor_.bind(at_, ec);
    return said(ec);
}

std::string stranger::listen()
{
    std::error_code ec;
    acceptor_.listen(asio::ip::tcp::acceptor::max_listen_connections, ec);
    return said(ec);
}

std::uint16_t stranger::port() const
{
    return acceptor_.local_endpoint().port();
}

std::string bind_udp(const std::string& address, claim what, std::uint16_t port)
{
    asio::io_context context;
    const asio::ip::udp::endpoint at(asio::ip::make_address(address), port);
    asio::ip::udp::socket socket(context, at.protocol());
    make_claim(socket, address, what);
    std::error_code ec;
    socket.bind(at, ec);
    return said(ec);
}

} // namespace berth::testing
