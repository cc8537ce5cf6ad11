// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "agent.hpp"
#include "checks.hpp"

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <system_error>
#include <variant>

// What is done with a lease: it listens, is opened and sealed, watched, visited, and given back.

namespace berth::soak {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

// Listens with a lease, and serves a client.
awaitable<void> agent::listen()
{
    const cells held = leases_.back().noted.where() & tcp_cells;
    if (held != 0 && leases_.back().first == 0)
        co_return;
    held_lease one = std::move(leases_.back());
    leases_.pop_back();
    std::error_code ec;
    const hold before = one.noted.how();
    tcp::acceptor acceptor = std::move(one.thing).listen(ex_, 8, ec);
    if ((one.noted.where() & tcp_cells) == 0) {
        expect(ec == error::not_tcp,
               "a lease without TCP cannot listen: " + ec.message());
        leases_.push_back(std::move(one));
        co_return;
    }
    // A server may have bound the open lease, or stayed on it; and beside IPv6 alone the kernel lets in
    // what it should not (docs/guarantees.md, SO_REUSEPORT on 0.0.0.0).
    const cells v6_alone = cells_of(asio::ip::address_v6::loopback(), true, false);
    const bool may_be_shared = before != hold::sealed || held == v6_alone;
    check_error(ec, may_be_shared && ec == std::errc::address_in_use,
                "listen() with the cells " + std::to_string(held));
    if (ec) {
        expect(one.thing.valid(), "a lease that cannot listen stays");
        leases_.push_back(std::move(one));
        co_return;
    }
    const tcp::endpoint local = acceptor.local_endpoint();
    expect(local.port() == one.noted.port(), "the acceptor has the lease's port");
    held_acceptor server(std::move(acceptor), one.noted.split(one.first));
    server.noted.change(hold::bound);
    // What the lease holds beside the socket that listens it keeps.
    expect(one.thing.valid() == (one.noted.where() != 0),
           "a lease keeps its other sockets");
    one.first = 0;
    if (one.thing.valid())
        leases_.push_back(std::move(one));

    // A connection through it. Its client has a port that the kernel chose.
    if (auto client = connect_foreign(address_to_reach(local.address()), local.port())) {
        asio::steady_timer timer(ex_, 1s);
        auto first = co_await (server.thing.async_accept(use_awaitable) ||
                               timer.async_wait(use_awaitable));
        if (auto* const accepted = std::get_if<tcp::socket>(&first)) {
            shared->count(counter::served);
            // Its port, the acceptor's, must not stay behind in TIME_WAIT. Asio's destructor would
            // take the option back.
            accepted->set_option(asio::socket_base::linger(true, 0));
            accepted->close();
        }
    }
    sockets_.emplace_back(std::move(server));
}

awaitable<void> agent::change_mode()
{
    held_lease one = remove(leases_);
    std::error_code ec;
    if (once_in(chance_, 2)) {
        one.noted.change(hold::open);
        one.thing.open(ec);
    } else {
        one.thing.seal(ec);
        if (one.noted.how() == hold::open)
            one.noted.change(hold::sealed_again);
    }
    check_error(ec, false, "open() or seal()");
    check_still_held(one);
    leases_.push_back(std::move(one));
    co_return;
}

awaitable<void> agent::give_back()
{
    if (!shared_sockets_.empty() && once_in(chance_, 2))
        shared_sockets_.pop_back();
    if (!sockets_.empty() && (leases_.empty() || once_in(chance_, 3))) {
        (void)remove(sockets_);
        co_return;
    }
    if (leases_.empty())
        co_return;
    held_lease one = remove(leases_);
    switch (pick(chance_, 5)) {
    case 0: {
        shared->count(counter::releases);
        const std::uint16_t port = one.noted.port();
        one.noted.erase();
        expect(one.thing.release() == port, "release() tells the number");
        expect(!one.thing.valid() && one.thing.port() == 0, "a released lease is empty");
        break;
    }
    case 1:
        shared->count(counter::moves);
        others_.add(std::move(one));
        break;
    case 2:
        shared->count(counter::moves);
        if (auto other = others_.take())
            leases_.push_back(std::move(*other));
        break;
    case 3: // from a handler of Asio's
        shared->count(counter::drops);
        asio::post(ex_, [kept = std::make_shared<held_lease>(std::move(one))] {});
        break;
    default:
        shared->count(counter::drops);
    }
}

awaitable<void> agent::look()
{
    held_lease one = remove(leases_);
    const cells tcp = one.noted.where() & tcp_cells;
    if (tcp == tcp_cells && one.noted.how() == hold::sealed) {
        look_at_sealed(one.thing);
    } else if (tcp != 0 && one.noted.how() == hold::open) {
        co_await look_at_server(one);
    } else {
        std::error_code ec;
        (void)find_port_owner(one.noted.port(), ec);
        check_error(ec, false, "find_port_owner()");
    }
    check_still_held(one);
    leases_.push_back(std::move(one));
}

void agent::look_at_sealed(const port_lease& lease)
{
    std::error_code ec;
    const wait_options patience = {.timeout =
                                       std::chrono::microseconds(pick(chance_, 4000))};
    const port_owner there = find_port_owner(lease.port(), ec);
    check_error(ec, false, "find_port_owner()");
    expect(there.state == port_state::bound, "the port of a sealed lease is bound");
    wait_until_listening(lease, patience, ec);
    expect(ec == std::errc::timed_out, "nobody listens on a sealed lease");
    wait_until_released(lease, patience, ec);
    expect(!ec, "nobody but its holder has a socket on a sealed lease: " + ec.message());
}

// Waits for a foreign server that comes, and goes.
awaitable<void> agent::look_at_server(const held_lease& one)
{
    const std::chrono::steady_clock::duration a_moment =
        std::chrono::microseconds(pick(chance_, 4000));
    auto server = bind_foreign(any_address_in(chance_, one.noted.where() & tcp_cells),
                               one.noted.port(), false, {.address = true});
    const bool listens = server && ::listen(server->get(), 4) == 0;
    std::error_code ec;
    try {
        co_await co_wait_until_listening(
            one.thing, wait_options{.timeout = listens ? 10s : a_moment});
    } catch (const std::system_error& e) {
        ec = e.code();
    }
    check_error(ec, !listens && ec == std::errc::timed_out, "co_wait_until_listening()");
    if (listens) {
        // Another foreign server may be on the port as well, on another address.
        wait_until_listening(one.noted.port(),
                             {.timeout = 10s, .process_tree = std::uint32_t(::getpid())},
                             ec);
        check_error(ec, ec == error::wrong_owner, "wait_until_listening() with a tree");
    }
    server.reset();
    asio::steady_timer timer(ex_, std::chrono::microseconds(pick(chance_, 3000)));
    try {
        co_await (co_wait_until_released(one.thing, wait_options{.timeout = a_moment}) ||
                  timer.async_wait(use_awaitable));
    } catch (const std::system_error& e) {
        check_error(e.code(), e.code() == std::errc::timed_out,
                    "co_wait_until_released()");
    }
}

// Connects before there is a server: the client is refused, and never connected to itself.
awaitable<void> agent::visit()
{
    const held_lease& one = leases_[pick(chance_, unsigned(leases_.size()))];
    if ((one.noted.where() & tcp_cells) != tcp_cells)
        co_return;
    const auto client =
        connect_foreign(asio::ip::address_v4::loopback(), one.noted.port());
    expect(!client || one.noted.how() != hold::sealed,
           "nobody answers on a sealed lease");
    expect(!client || client->port() != one.noted.port(),
           "a client is not connected to itself");
    co_return;
}

} // namespace berth::soak
