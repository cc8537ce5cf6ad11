// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "agent.hpp"
#include "any_options.hpp"
#include "checks.hpp"

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>
#include <type_traits>

// Bound sockets: of the library's making, of one's own, and black holes.

namespace berth::soak {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;
using asio::ip::udp;

awaitable<void> agent::bind()
{
    const bind_options options = any_bind_options(chance_);
    count_wait(options);
    return once_in(chance_, 3) ? bind_as<udp>(options) : bind_as<tcp>(options);
}

template <class Protocol>
awaitable<void> agent::bind_as(bind_options options)
{
    constexpr bool is_udp = std::is_same_v<Protocol, udp>;
    if (!options.listen && !is_udp)
        shared->count(counter::dead_ports);
    const std::uint64_t asked = shared->now();
    std::optional<bound_socket<Protocol>> socket;
    std::error_code ec;
    try {
        const unsigned way = pick(chance_, 3);
        if (way == 0)
            socket = bind_ephemeral<Protocol>(ex_, options);
        else if (way == 1)
            socket = co_await answer_or_cancel(co_bind_ephemeral<Protocol>(options));
        else
            socket = co_await co_bind_ephemeral<Protocol>(options);
    } catch (const std::system_error& e) {
        ec = e.code();
    }
    check_request(ec, options, false, "bind_ephemeral()");
    if (!socket)
        co_return;
    count_granted();
    const auto local = socket->local_endpoint();
    expect(local.address() == options.address, "a socket has the address asked for");
    check_number(local.port(), options.ports, options.preferred, options.browser_safe);
    record noted(local.port(), cells_of(options.address, false, is_udp), hold::bound,
                 asked);
    sockets_.emplace_back(
        held<bound_socket<Protocol>>(std::move(*socket), std::move(noted)));
}

awaitable<void> agent::bind_own()
{
    const asio::ip::address address = any_address(chance_);
    const auto v6 = address.is_v6();
    switch (pick(chance_, 3)) {
    case 0:
        return bind_this(tcp::acceptor(ex_, v6 ? tcp::v6() : tcp::v4()), address);
    case 1:
        return bind_this(tcp::socket(ex_, v6 ? tcp::v6() : tcp::v4()), address);
    default:
        return bind_this(udp::socket(ex_, v6 ? udp::v6() : udp::v4()), address);
    }
}

template <class Socket>
awaitable<void> agent::bind_this(Socket socket, asio::ip::address address)
{
    constexpr bool is_udp = std::is_same_v<Socket, udp::socket>;
    const bool reusable = once_in(chance_, 5);
    if (reusable)
        socket.set_option(asio::socket_base::reuse_address(true));
    const std::uint64_t asked = shared->now();
    std::error_code ec;
    std::uint16_t port = 0;
    if (once_in(chance_, 2)) {
        port = bind_ephemeral(socket, address, ec);
    } else {
        try {
            port = co_await co_bind_ephemeral(socket, address);
        } catch (const std::system_error& e) {
            ec = e.code();
        }
    }
    if (reusable && !is_udp) {
        expect(ec == error::reuse_address_set,
               "a reusable socket of one's own is refused");
        co_return;
    }
    check_error(ec, ec == error::ports_exhausted, "bind_ephemeral() with a socket");
    if (ec)
        co_return;
    count_granted();
    check_number(port, std::nullopt, std::nullopt, false);
    const cells where = cells_of(address, false, is_udp);
    if (reusable) {
        // It shares the port as any reusable UDP socket does.
        const cells written = shared->foreign_got(port, where, where, {.address = true},
                                                  asked, "own socket");
        shared_sockets_.emplace_back(detail::unique_socket(socket.release()), port,
                                     written);
        co_return;
    }
    record noted(port, where, hold::bound, asked);
    sockets_.emplace_back(held<Socket>(std::move(socket), std::move(noted)));
}

awaitable<void> agent::make_black_hole()
{
    const bind_options options = any_bind_options(chance_);
    count_wait(options);
    const std::uint64_t asked = shared->now();
    std::error_code ec;
    try {
        black_hole hole;
        if (once_in(chance_, 2))
            hole = bind_black_hole(options);
        else
            hole = co_await co_bind_black_hole(options);
        count_granted();
        const tcp::endpoint there = hole.endpoint();
        check_number(there.port(), options.ports, options.preferred,
                     options.browser_safe);
        record noted(there.port(), cells_of(options.address, false, false), hold::bound,
                     asked);
        sockets_.emplace_back(held_hole(std::move(hole), std::move(noted)));

        const tcp::endpoint to(address_to_reach(there.address()), there.port());
        tcp::socket client(ex_, to.protocol());
        asio::steady_timer timer(ex_, 2ms);
        std::error_code answer;
        const auto first = co_await (
            client.async_connect(to, asio::redirect_error(use_awaitable, answer)) ||
            timer.async_wait(use_awaitable));
        expect(first.index() == 1 || answer.value() == EADDRNOTAVAIL,
               "nobody answers on a black hole: " + answer.message());
    } catch (const std::system_error& e) {
        ec = e.code();
    }
    // Its own connection needs a port of the narrow range.
    check_request(ec, options, ec == std::errc::address_not_available,
                  "bind_black_hole()");
}

} // namespace berth::soak
