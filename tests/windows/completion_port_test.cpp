// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "sockets.hpp"

#include <berth/berth.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <string>
#include <thread>

// berth's sockets join the I/O completion port of the executor's context, whichever it is.

#if !defined(ASIO_HAS_IOCP)
#error "Asio is to use I/O completion ports"
#endif

using asio::ip::address_v4;
using asio::ip::tcp;
using asio::ip::udp;
using namespace berth::testing;

namespace {

asio::awaitable<std::string> greet_through(tcp::acceptor& acceptor, std::size_t size)
{
    const auto ex = co_await asio::this_coro::executor;
    auto accepted = asio::co_spawn(
        ex,
        [&]() -> asio::awaitable<void> {
            tcp::socket peer = co_await acceptor.async_accept(asio::use_awaitable);
            const std::string greeting(size, 'x');
            co_await asio::async_write(peer, asio::buffer(greeting), asio::use_awaitable);
        },
        asio::use_future);
    tcp::socket client(ex);
    const tcp::endpoint to(address_v4::loopback(), acceptor.local_endpoint().port());
    co_await client.async_connect(to, asio::use_awaitable);
    std::string heard(size, ' ');
    co_await asio::async_read(client, asio::buffer(heard), asio::use_awaitable);
    co_return heard;
}

} // namespace

TEST_CASE("connections and data of an acceptor go through the completion port",
          "[windows]")
{
    asio::io_context context;
    constexpr std::size_t size = 1U << 20U;
    auto heard = asio::co_spawn(
        context,
        [&]() -> asio::awaitable<std::string> {
            tcp::acceptor acceptor = co_await berth::co_bind_ephemeral();
            co_return co_await greet_through(acceptor, size);
        },
        asio::use_future);
    context.run();
    CHECK(heard.get() == std::string(size, 'x'));
}

TEST_CASE("a lease that was found on one context listens on another", "[windows]")
{
    asio::io_context first;
    auto lease =
        berth::async_find_unused_port(first.get_executor(), {}, asio::use_future);
    first.run();

    asio::io_context second;
    tcp::acceptor acceptor = lease.get().listen(second.get_executor());
    auto heard = asio::co_spawn(second, greet_through(acceptor, 100), asio::use_future);
    second.run();
    CHECK(heard.get() == std::string(100, 'x'));
}

TEST_CASE("datagrams go through the completion port", "[windows]")
{
    asio::io_context context;
    udp::socket one = berth::bind_ephemeral<udp>(context.get_executor());
    udp::socket other = berth::bind_ephemeral<udp>(context.get_executor());
    std::string heard(16, ' ');
    udp::endpoint from;
    auto size = other.async_receive_from(asio::buffer(heard), from, asio::use_future);
    auto sent = one.async_send_to(asio::buffer("ahoy", 4), other.local_endpoint(),
                                  asio::use_future);
    context.run();
    CHECK(sent.get() == 4);
    CHECK(heard.substr(0, size.get()) == "ahoy");
    CHECK(from == one.local_endpoint());
}

TEST_CASE("an accept that is pending can be cancelled", "[windows]")
{
    asio::io_context context;
    tcp::acceptor acceptor = berth::bind_ephemeral(context.get_executor());
    asio::cancellation_signal signal;
    std::error_code said;
    acceptor.async_accept(asio::bind_cancellation_slot(
        signal.slot(), [&](std::error_code ec, tcp::socket) { said = ec; }));
    asio::post(context, [&] { signal.emit(asio::cancellation_type::terminal); });
    context.run();
    CHECK(said == asio::error::operation_aborted);
}
