// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "logging_allocator.hpp"
#include "manual_queue.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/berth.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/system_executor.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

// Requests that wait for a port. Between a port's return and its next lease another process may
// have it for a moment; who waits long enough is given it all the same.

using asio::ip::address_v4;
using asio::ip::tcp;
using asio::ip::udp;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;
using namespace std::chrono_literals;

// Wine says of a port that an exclusive socket has what Windows says of an excluded one.
#define BERTH_NEEDS_EXHAUSTION()                                                         \
    do {                                                                                 \
        if (under_wine())                                                                \
            BERTH_SKIP("Wine does not say that every port is taken");                    \
    } while (false)

namespace {

constexpr auto long_enough = std::chrono::minutes(2);

template <class Value>
struct outcome {
    int calls = 0;
    std::error_code ec;
    std::optional<Value> value;

    auto handler()
    {
        return [this](std::error_code e, Value v) {
            ++calls;
            ec = e;
            value.emplace(std::move(v));
        };
    }
};

/// Ports that are all taken, by leases, until they are given back.
struct taken {
    explicit taken(berth::backend which, std::size_t count = 1) : backend(which)
    {
        for (std::size_t i = 0; i < count; ++i) {
            leases.push_back(berth::find_unused_port(
                {.mode = berth::lease_mode::sealed, .backend = which}));
            const auto port = leases.back().port();
            ports = ports | port_range{port, port};
        }
    }

    [[nodiscard]] berth::find_options
    find(std::chrono::steady_clock::duration wait = long_enough) const
    {
        return {.ports = ports, .wait = wait, .backend = backend};
    }

    [[nodiscard]] berth::bind_options
    bind(std::chrono::steady_clock::duration wait = long_enough) const
    {
        return {.ports = ports, .wait = wait, .backend = backend};
    }

    void give_back() { leases.clear(); }

    berth::backend backend;
    berth::port_set ports;
    std::vector<port_lease> leases;
};

template <class Done>
void run_until(asio::io_context& context, Done&& done)
{
    while (!done())
        context.run_one();
}

} // namespace

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

TEST_CASE("when the time is up every port is taken, still", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    std::deque<outcome<port_lease>> leases(5);
    outcome<tcp::acceptor> acceptor;
    outcome<port_lease> patient;
    berth::async_find_unused_port(ex, port.find(), patient.handler());
    for (std::size_t i = 0; i < leases.size(); ++i)
        berth::async_find_unused_port(
            ex, port.find(std::chrono::nanoseconds(1) + std::chrono::milliseconds(7 * i)),
            leases[i].handler());
    berth::async_bind_ephemeral(ex, port.bind(20ms), acceptor.handler());
    run_until(context, [&] {
        int calls = acceptor.calls;
        for (const auto& lease : leases)
            calls += lease.calls;
        return calls == 6;
    });
    for (const auto& lease : leases) {
        CHECK(lease.ec == berth::error::ports_exhausted);
        CHECK(!lease.value->valid());
    }
    CHECK(acceptor.ec == berth::error::ports_exhausted);
    CHECK(!acceptor.value->is_open());

    std::error_code ec;
    CHECK(!berth::find_unused_port(port.find(20ms), ec));
    CHECK(ec == berth::error::ports_exhausted);
    CHECK(!berth::bind_ephemeral(ex, port.bind(20ms), ec).is_open());
    CHECK(ec == berth::error::ports_exhausted);

    // They are no longer in the way.
    CHECK(patient.calls == 0);
    port.give_back();
    context.run();
    CHECK(!patient.ec);
    CHECK(patient.value->valid());
}

TEST_CASE("a request that waits can be cancelled at once", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    const auto type =
        GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                 asio::cancellation_type::total);
    taken port(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    asio::cancellation_signal signals[3];
    outcome<port_lease> first;
    outcome<port_lease> second;
    outcome<tcp::acceptor> acceptor;
    outcome<port_lease> last;
    berth::async_find_unused_port(
        ex, port.find(),
        asio::bind_cancellation_slot(signals[0].slot(), first.handler()));
    context.poll();
    berth::async_find_unused_port(
        ex, port.find(),
        asio::bind_cancellation_slot(signals[1].slot(), second.handler()));
    berth::async_bind_ephemeral(
        ex, port.bind(),
        asio::bind_cancellation_slot(signals[2].slot(), acceptor.handler()));
    berth::async_find_unused_port(ex, port.find(), last.handler());
    const bool all_asleep = GENERATE(true, false);
    if (all_asleep)
        context.poll();
    for (auto& signal : signals)
        signal.emit(asio::cancellation_type::none);
    context.poll();
    CHECK(first.calls + second.calls + acceptor.calls == 0);
    for (auto& signal : signals)
        signal.emit(type);
    CHECK(first.calls + second.calls + acceptor.calls == 0);
    context.poll();
    CHECK(first.calls == 1);
    CHECK(first.ec == asio::error::operation_aborted);
    CHECK(second.calls == 1);
    CHECK(second.ec == asio::error::operation_aborted);
    CHECK(acceptor.calls == 1);
    CHECK(acceptor.ec == asio::error::operation_aborted);
    CHECK(last.calls == 0);
    port.give_back();
    context.run();
    CHECK(last.calls == 1);
    CHECK(last.value->valid());
}

TEST_CASE("a port that was found when the cancellation came goes to the next", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    taken port(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    asio::cancellation_signal signal;
    outcome<port_lease> first;
    outcome<port_lease> second;
    asio::io_context home; // where the first one's answer stays until it runs
    berth::async_find_unused_port(
        ex, port.find(),
        asio::bind_executor(home.get_executor(), asio::bind_cancellation_slot(
                                                     signal.slot(), first.handler())));
    context.poll();
    berth::async_find_unused_port(ex, port.find(), second.handler());
    context.poll();
    port.give_back();
    // The answer may already be there, and it may not.
    if (GENERATE(true, false))
        context.poll();
    signal.emit(asio::cancellation_type::total);
    context.poll();
    while (first.calls == 0) {
        context.poll();
        home.poll();
    }
    context.run();
    CHECK(first.ec == asio::error::operation_aborted);
    CHECK(!first.value->valid());
    CHECK(!second.ec);
    CHECK(second.value->valid());
}

TEST_CASE("a coroutine can give up waiting", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    using namespace asio::experimental::awaitable_operators;
    taken port(which);
    asio::io_context context;
    std::size_t winner = 9;
    bool served = false;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            const berth::find_options find = port.find();
            const berth::bind_options bind = port.bind();
            asio::steady_timer timer(co_await asio::this_coro::executor, 5ms);
            auto result = co_await (berth::co_find_unused_port(find) ||
                                    berth::co_bind_ephemeral(bind) ||
                                    timer.async_wait(asio::use_awaitable));
            winner = result.index();
            port.give_back();
            served = (co_await berth::co_find_unused_port(find)).valid();
        },
        asio::detached);
    context.run();
    CHECK(winner == 2);
    CHECK(served);
}

TEST_CASE("a lease that is dropped in a handler goes to who waits on that context",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_NEEDS_EXHAUSTION();
    asio::io_context context;
    const auto ex = context.get_executor();
    outcome<port_lease> waited;
    port_lease held;
    // Of a large range, so that its end may be put off.
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

namespace {

struct allocating_handler {
    using allocator_type = logging_allocator<void>;
    allocator_type get_allocator() const { return allocator_type(*log); }

    void operator()(std::error_code e, port_lease lease)
    {
        live_at_call = log->live;
        *ec = e;
        held = std::move(lease);
    }

    allocation_log* log;
    std::error_code* ec;
    std::size_t live_at_call = 0;
    port_lease held = {};
};

} // namespace

TEST_CASE("without memory to wait with a request fails as if it had not been to wait",
          "[os]")
{
    BERTH_NEEDS_EXHAUSTION();
    std::size_t failures = 0;
    for (std::size_t n = 0;; ++n) {
        REQUIRE(n < 20);
        taken port(berth::backend::automatic);
        allocation_log log;
        log.fail_at = n;
        asio::io_context context;
        std::error_code ec;
        bool thrown = false;
        try {
            berth::async_find_unused_port(context.get_executor(), port.find(),
                                          allocating_handler{&log, &ec});
        } catch (const std::bad_alloc&) {
            thrown = true;
        }
        context.poll();
        const bool failed = ec == berth::error::ports_exhausted;
        failures += failed ? 1 : 0;
        CHECK(!(failed && thrown));
        CHECK((log.live != 0) == (!failed && !thrown));
        port.give_back();
        context.run();
        CHECK(log.live == 0);
        if (!thrown && !failed && log.calls <= n)
            break;
    }
    CHECK(failures > 0);
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
