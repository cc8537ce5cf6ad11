// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "sockets.hpp"
#include "waiting.hpp"

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

// Requests that wait: which of them is given a port that comes back, and when. Between a port's
// return and its next lease another process may have it for a moment; a request that waits long
// enough is given it all the same.

using asio::ip::tcp;
using asio::ip::udp;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;
using namespace std::chrono_literals;

TEST_CASE("who waits is given the port that comes back", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    outcome<port_lease> lease;
    outcome<tcp::acceptor> acceptor;
    outcome<udp::socket> socket;
    const bool by_drop = GENERATE(true, false);

    SECTION("a lease")
    {
        berth::async_find_unused_port(ex, port.find(), lease.handler());
        context.poll();
        CHECK(lease.calls == 0);
        by_drop ? port.give_back() : void(port.leases[0].release());
        context.run();
        REQUIRE(lease.calls == 1);
        CHECK(!lease.ec);
        CHECK(port.ports.contains(lease.value->port()));
    }
    SECTION("an acceptor")
    {
        berth::async_bind_ephemeral(ex, port.bind(), acceptor.handler());
        context.poll();
        CHECK(acceptor.calls == 0);
        by_drop ? port.give_back() : void(port.leases[0].release());
        context.run();
        REQUIRE(acceptor.calls == 1);
        CHECK(!acceptor.ec);
        CHECK(port.ports.contains(port_of(*acceptor.value)));
    }
    SECTION("a UDP socket")
    {
        udp::socket other = berth::bind_ephemeral<udp>(ex, {.backend = which});
        const auto number = port_of(other);
        berth::async_bind_ephemeral<udp>(
            ex,
            {.ports = port_range{number, number}, .wait = long_enough, .backend = which},
            socket.handler());
        context.poll();
        CHECK(socket.calls == 0);
        other.close(); // which nobody tells
        context.run();
        REQUIRE(socket.calls == 1);
        CHECK(!socket.ec);
        CHECK(port_of(*socket.value) == number);
    }
}

TEST_CASE("who waits is given the port that another thread gives back", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::io_context context;
    outcome<port_lease> lease;
    berth::async_find_unused_port(context.get_executor(), port.find(), lease.handler());
    context.poll();
    std::thread other([&] { port.give_back(); });
    context.run();
    other.join();
    CHECK(!lease.ec);
    CHECK(lease.value->valid());
}

TEST_CASE("a socket that berth does not see closing gives its port to who waits", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    asio::io_context context;
    auto acceptor = berth::bind_ephemeral(context.get_executor(), {.backend = which});
    const auto number = port_of(acceptor);
    outcome<port_lease> lease;
    berth::async_find_unused_port(
        context.get_executor(),
        {.ports = port_range{number, number}, .wait = long_enough, .backend = which},
        lease.handler());
    context.poll();
    CHECK(lease.calls == 0);
    acceptor.close();
    context.run();
    CHECK(!lease.ec);
    CHECK(lease.value->port() == number);
}

TEST_CASE("the synchronous forms wait in their thread", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::io_context context;
    std::atomic<int> started = 0;
    std::vector<std::thread> threads;
    std::atomic<int> served = 0;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            ++started;
            const port_lease lease = berth::find_unused_port(port.find());
            served += port.ports.contains(lease.port()) ? 1 : 0;
        });
        threads.emplace_back([&] {
            ++started;
            const auto acceptor =
                berth::bind_ephemeral(context.get_executor(), port.bind());
            served += port.ports.contains(port_of(acceptor)) ? 1 : 0;
        });
    }
    while (started != 4)
        std::this_thread::yield();
    port.leases[0].release();
    for (auto& thread : threads)
        thread.join();
    CHECK(served == 4);
}

TEST_CASE("first come, first served", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::io_context context;
    std::vector<int> order;
    const auto ask = [&](int number) {
        berth::async_find_unused_port(context.get_executor(), port.find(),
                                      [&order, number](std::error_code ec, port_lease) {
                                          order.push_back(ec ? -1 : number);
                                      });
    };
    for (int i = 0; i < 6; ++i) {
        ask(i);
        if (i % 2 == 0)
            context.poll();
    }
    context.poll();
    port.give_back();
    ask(6); // at a moment when the port is free, but not for him
    context.run();
    CHECK(order == std::vector{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("several ports that come back at once go to as many", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken ports(which, 3);
    asio::io_context context;
    std::vector<port_lease> served;
    for (int i = 0; i < 5; ++i)
        berth::async_find_unused_port(context.get_executor(), ports.find(),
                                      [&](std::error_code, port_lease lease) {
                                          served.push_back(std::move(lease));
                                      });
    context.poll();
    CHECK(served.empty());
    ports.give_back();
    run_until(context, [&] { return served.size() == 3; });
    served.clear();
    context.run();
    CHECK(served.size() == 2);
}

TEST_CASE("who does not wait only tries, and who wants other ports is not held up",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    outcome<port_lease> patient;
    outcome<port_lease> impatient;
    outcome<port_lease> negative;
    outcome<port_lease> elsewhere;
    outcome<udp::socket> by_udp;
    berth::async_find_unused_port(ex, port.find(), patient.handler());
    context.poll();

    berth::async_find_unused_port(ex, port.find(0s), impatient.handler());
    berth::async_find_unused_port(ex, port.find(-1s), negative.handler());
    berth::async_find_unused_port(ex, {.wait = long_enough, .backend = which},
                                  elsewhere.handler());
    berth::async_bind_ephemeral<udp>(ex, port.bind(), by_udp.handler());
    run_until(context, [&] {
        return impatient.calls + negative.calls + elsewhere.calls + by_udp.calls == 4;
    });
    CHECK(is_exhausted(impatient.ec));
    CHECK(is_exhausted(negative.ec));
    CHECK(!elsewhere.ec);
    CHECK(!by_udp.ec);
    CHECK(patient.calls == 0);
    port.give_back();
    context.run();
    CHECK(patient.calls == 1);
    CHECK(!patient.ec);
}

TEST_CASE("many who wait for few ports are all served, and none twice", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    constexpr int coroutines = 40;
    constexpr int rounds = 5;
    taken ports(which, 3);
    asio::thread_pool pool(3);
    std::mutex mutex;
    std::set<std::uint16_t> held;
    std::atomic<int> served = 0;
    const auto hold = [&](std::uint16_t port) {
        const std::lock_guard lock(mutex);
        if (held.insert(port).second)
            ++served;
    };
    const auto let_go = [&](std::uint16_t port) {
        const std::lock_guard lock(mutex);
        held.erase(port);
    };
    for (int i = 0; i < coroutines; ++i) {
        asio::co_spawn(
            asio::make_strand(pool),
            [&]() -> asio::awaitable<void> {
                for (int round = 0; round < rounds; ++round) {
                    const berth::find_options find = ports.find();
                    auto lease = co_await berth::co_find_unused_port(find);
                    const auto port = lease.port();
                    hold(port);
                    co_await asio::post(asio::use_awaitable);
                    let_go(port);
                    if (round % 2 == 0)
                        lease.release();
                }
            },
            asio::detached);
    }
    std::thread blocking([&] {
        for (int round = 0; round < rounds; ++round) {
            const auto lease = berth::find_unused_port(ports.find());
            hold(lease.port());
            let_go(lease.port());
        }
    });
    ports.give_back();
    blocking.join();
    pool.join();
    CHECK(served == (coroutines + 1) * rounds);

    // All ports are free again.
    for (int i = 0; i < 3; ++i)
        ports.leases.push_back(berth::find_unused_port(ports.find()));
    std::error_code ec;
    CHECK(!berth::find_unused_port(ports.find(0s), ec));
}
