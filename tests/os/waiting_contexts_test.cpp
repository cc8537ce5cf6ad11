// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "manual_queue.hpp"
#include "waiting.hpp"

#include <berth/berth.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/system_executor.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <future>
#include <memory>
#include <thread>
#include <vector>

// Requests that wait, and the contexts and executors that they wait on: of every kind, that run, that
// stand still, that end.

using asio::ip::tcp;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;
using namespace std::chrono_literals;

TEST_CASE("a lease that is dropped in a handler goes to who waits on that context",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    asio::io_context context;
    const auto ex = context.get_executor();
    outcome<port_lease> waited;
    port_lease held;
    berth::async_find_unused_port(
        ex, {.backend = which}, [&](std::error_code, port_lease lease) {
            held = std::move(lease);
            const auto number = held.port();
            berth::async_find_unused_port(ex,
                                          {.ports = port_range{number, number},
                                           .wait = long_enough,
                                           .backend = which},
                                          waited.handler());
        });
    context.poll();
    CHECK(waited.calls == 0);
    const bool others_pending = GENERATE(true, false);
    berth::async_find_unused_port(
        ex, {.backend = which}, [&](std::error_code, port_lease) {
            if (others_pending)
                berth::async_find_unused_port(ex, {.backend = which},
                                              [](std::error_code, port_lease) {});
            held = {};
        });
    context.run();
    CHECK(!waited.ec);
    CHECK(waited.value->valid());
}

TEST_CASE("every kind of executor can wait", "[os]")
{
    BERTH_NEEDS_EXHAUSTION();
    taken port(berth::backend::automatic);
    asio::io_context context;
    asio::thread_pool pool(2);
    std::future<port_lease> lease;
    std::future<tcp::acceptor> acceptor;
    const auto start = [&](const auto& ex) {
        lease = berth::async_find_unused_port(ex, port.find(), asio::use_future);
        acceptor = berth::async_bind_ephemeral(ex, port.bind(), asio::use_future);
    };

    SECTION("io_context")
    {
        start(context.get_executor());
    }
    SECTION("any_io_executor")
    {
        start(asio::any_io_executor(context.get_executor()));
    }
    SECTION("strand")
    {
        start(asio::make_strand(context));
    }
    SECTION("strand of any_io_executor")
    {
        start(asio::make_strand(asio::any_io_executor(context.get_executor())));
    }
    SECTION("thread_pool")
    {
        start(pool.get_executor());
    }
    SECTION("strand of thread_pool")
    {
        start(asio::make_strand(pool));
    }
    SECTION("system_executor")
    {
        start(asio::system_executor());
    }

    context.poll();
    port.give_back();
    std::thread runner([&] { context.run(); });
    // Either may be given the port first.
    while (lease.wait_for(0s) != std::future_status::ready &&
           acceptor.wait_for(0s) != std::future_status::ready)
        std::this_thread::yield();
    if (lease.wait_for(0s) == std::future_status::ready) {
        CHECK(lease.get().valid());
        CHECK(acceptor.get().is_open());
    } else {
        CHECK(acceptor.get().is_open());
        CHECK(lease.get().valid());
    }
    runner.join();
    pool.join();
}

TEST_CASE("a context that does not run does not hold up the others", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::io_context stopped;
    asio::io_context running;
    std::vector<int> order;
    const auto ask = [&](asio::io_context& context, int number) {
        berth::async_find_unused_port(context.get_executor(), port.find(),
                                      [&order, number](std::error_code ec, port_lease) {
                                          order.push_back(ec ? -1 : number);
                                      });
    };
    ask(stopped, 0);
    stopped.poll();
    ask(stopped, 1); // has not had a turn yet
    stopped.stop();
    ask(running, 2);
    ask(running, 3);
    port.give_back();
    running.run();
    CHECK(order == std::vector{2, 3});
    CHECK(berth::find_unused_port(port.find()).valid());
    stopped.restart();
    stopped.run();
    CHECK(order.size() == 4);
    CHECK(std::ranges::count(order, -1) == 0);
}

TEST_CASE("a context that is destroyed drops the handlers of those who wait", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    auto alive = std::make_shared<int>();
    bool called = false;
    asio::io_context other;
    outcome<port_lease> behind;
    {
        asio::io_context context;
        const auto handler = [alive, &called](std::error_code, auto&&) { called = true; };
        for (int i = 0; i < 3; ++i) {
            berth::async_find_unused_port(context.get_executor(), port.find(), handler);
            berth::async_bind_ephemeral(context.get_executor(), port.bind(), handler);
        }
        context.poll();
        berth::async_find_unused_port(context.get_executor(), port.find(), handler);
        berth::async_find_unused_port(other.get_executor(), port.find(),
                                      behind.handler());
        other.poll();
        if (GENERATE(true, false))
            port.give_back(); // they are about to be served
    }
    CHECK(!called);
    CHECK(alive.use_count() == 1);
    CHECK(behind.calls == 0);
    port.give_back();
    other.run();
    CHECK(!behind.ec);
    CHECK(behind.value->valid());
}

TEST_CASE("contexts end while others give ports back", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    std::atomic<bool> stop = false;
    std::thread other([&] {
        port_lease lease = std::move(port.leases[0]);
        while (!stop) {
            std::error_code ec;
            lease = {};
            lease = berth::find_unused_port(port.find(0s), ec);
        }
    });
    for (int round = 0; round < 100; ++round) {
        asio::io_context context;
        asio::cancellation_signal signal;
        for (int i = 0; i < 4; ++i)
            berth::async_find_unused_port(context.get_executor(), port.find(),
                                          [](std::error_code, port_lease) {});
        berth::async_find_unused_port(
            context.get_executor(), port.find(),
            asio::bind_cancellation_slot(signal.slot(),
                                         [](std::error_code, port_lease) {}));
        for (int i = 0; i < round % 10; ++i)
            context.poll_one();
        if (round % 3 == 0)
            signal.emit(asio::cancellation_type::all);
    }
    stop = true;
    other.join();
    CHECK(berth::find_unused_port(port.find()).valid());
}

TEST_CASE("a pool that is joined waits for who waits", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::thread_pool pool(2);
    std::atomic<int> served = 0;
    for (int i = 0; i < 5; ++i)
        berth::async_find_unused_port(pool.get_executor(), port.find(),
                                      [&](std::error_code ec, port_lease) {
                                          if (!ec)
                                              ++served;
                                      });
    std::thread other([&] { port.give_back(); });
    pool.join();
    other.join();
    CHECK(served == 5);
}

TEST_CASE("an executor that keeps its work outside the context may outlive it", "[os]")
{
    BERTH_NEEDS_EXHAUSTION();
    taken port(berth::backend::automatic);
    manual_queue queue;
    std::vector<std::error_code> codes;
    const auto note = [&](std::error_code ec, port_lease) { codes.push_back(ec); };
    {
        asio::io_context context;
        const manual_queue::executor_type ex(queue, context);
        for (int i = 0; i < 3; ++i)
            berth::async_find_unused_port(ex, port.find(), note);
        queue.run();
        context.poll_one();
        queue.run();
        CHECK(codes.empty());
        port.give_back();
        // One is woken, and the context ends before it is at work.
        context.restart();
        context.poll();
    }
    queue.run();
    CHECK(std::ranges::count(codes, asio::error::operation_aborted) ==
          static_cast<std::ptrdiff_t>(codes.size()));
    CHECK(berth::find_unused_port(port.find()).valid());
}
