// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "logging_allocator.hpp"
#include "manual_queue.hpp"
#include "sockets.hpp"

#include <berth/berth.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/system_executor.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::tcp;
using asio::ip::udp;
using berth::port_lease;
using namespace berth::testing;

namespace {

// A callback that keeps what it is called with.
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

template <class Body>
void run_coroutine(asio::io_context& context, Body body)
{
    std::exception_ptr failure;
    asio::co_spawn(context, std::move(body), [&](std::exception_ptr e) { failure = e; });
    context.run();
    context.restart();
    if (failure)
        std::rethrow_exception(failure);
}

} // namespace

TEST_CASE("the coroutines give what their names say", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    run_coroutine(context, [which]() -> asio::awaitable<void> {
        port_lease lease = co_await berth::co_find_unused_port({.backend = which});
        CHECK(lease);

        tcp::acceptor acceptor = co_await berth::co_bind_ephemeral({.backend = which});
        CHECK(acceptor.get_executor() == co_await asio::this_coro::executor);
        CHECK(connect_through(acceptor, address_v4::loopback()).first.is_open());

        udp::socket socket = co_await berth::co_bind_ephemeral<udp>(
            {.address = address_v6::loopback(), .backend = which});
        CHECK(socket.local_endpoint().address() == address_v6::loopback());

        udp::socket own(co_await asio::this_coro::executor, udp::v4());
        const auto port = co_await berth::co_bind_ephemeral(own, address_v4::loopback());
        CHECK(own.local_endpoint().port() == port);
    });
}

TEST_CASE("the coroutines throw what went wrong and what was asked for", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const berth::port_range reversed{40001, 40000};
    CHECK_THROWS_WITH(
        run_coroutine(context,
                      [=]() -> asio::awaitable<void> {
                          berth::find_options options{.ports = reversed,
                                                      .backend = which};
                          (void)co_await berth::co_find_unused_port(options);
                      }),
        ContainsSubstring("40001-40000") && ContainsSubstring("co_find_unused_port"));
    CHECK_THROWS_WITH(run_coroutine(context,
                                    [=]() -> asio::awaitable<void> {
                                        berth::bind_options options{.ports = reversed,
                                                                    .backend = which};
                                        (void)co_await berth::co_bind_ephemeral(options);
                                    }),
                      ContainsSubstring("40001-40000") &&
                          ContainsSubstring("co_bind_ephemeral"));
    CHECK_THROWS_WITH(
        run_coroutine(context,
                      [&]() -> asio::awaitable<void> {
                          tcp::acceptor own(context, tcp::v4());
                          own.set_option(tcp::acceptor::reuse_address(true));
                          (void)co_await berth::co_bind_ephemeral(own,
                                                                  address_v4::loopback());
                      }),
        ContainsSubstring("SO_REUSEADDR"));
}

TEST_CASE("a handler is never called inside the initiating function", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    outcome<port_lease> lease;
    outcome<tcp::acceptor> acceptor;
    outcome<std::uint16_t> port;
    udp::socket own(context, udp::v4());

    // From inside a handler too, where dispatch() would call it at once.
    asio::post(context, [&] {
        berth::async_find_unused_port(ex, {.backend = which}, lease.handler());
        berth::async_bind_ephemeral(ex, {.backend = which}, acceptor.handler());
        berth::async_bind_ephemeral(own, address_v4::loopback(), port.handler());
        CHECK(lease.calls + acceptor.calls + port.calls == 0);
    });
    context.run();
    CHECK(lease.calls == 1);
    CHECK(acceptor.calls == 1);
    CHECK(port.calls == 1);
    CHECK(lease.value->valid());
    CHECK(acceptor.value->is_open());
    CHECK(*port.value == own.local_endpoint().port());
}

TEST_CASE("on an error the value is empty", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    const berth::port_range reversed{2, 1};
    outcome<port_lease> lease;
    outcome<tcp::acceptor> acceptor;
    outcome<udp::socket> socket;
    berth::async_find_unused_port(ex, {.ports = reversed, .backend = which},
                                  lease.handler());
    berth::async_bind_ephemeral(ex, {.ports = reversed, .backend = which},
                                acceptor.handler());
    berth::async_bind_ephemeral<udp>(ex, {.ports = reversed, .backend = which},
                                     socket.handler());
    context.run();
    CHECK(lease.ec == berth::error::invalid_range);
    CHECK(!lease.value->valid());
    CHECK(acceptor.ec == berth::error::invalid_range);
    CHECK(!acceptor.value->is_open());
    CHECK(socket.ec == berth::error::invalid_range);
    CHECK(!socket.value->is_open());
}

TEST_CASE("a batch of good and bad requests is answered one by one", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    std::deque<outcome<port_lease>> leases(200);
    for (std::size_t i = 0; i < leases.size(); ++i) {
        berth::find_options options{.backend = which};
        if (i % 4 == 1)
            options.ports = berth::port_range{2, 1};
        if (i % 4 == 2)
            options.addresses = asio::ip::make_address("192.0.2.1");
        berth::async_find_unused_port(ex, options, leases[i].handler());
    }
    context.run();
    std::set<std::uint16_t> ports;
    for (std::size_t i = 0; i < leases.size(); ++i) {
        INFO(i);
        REQUIRE(leases[i].calls == 1);
        if (i % 4 == 1)
            CHECK(leases[i].ec == berth::error::invalid_range);
        else if (i % 4 == 2)
            CHECK(leases[i].ec == std::errc::address_not_available);
        else
            CHECK(ports.insert(leases[i].value->port()).second);
    }
    CHECK(ports.size() == 100);
}

TEST_CASE("the handler runs on its associated executor, whose context waits for it",
          "[os]")
{
    asio::io_context context;
    asio::io_context home;
    std::thread::id ran_on;
    bool inside = false;
    berth::async_find_unused_port(
        context.get_executor(), {},
        asio::bind_executor(home.get_executor(), [&](std::error_code, port_lease lease) {
            ran_on = std::this_thread::get_id();
            inside = home.get_executor().running_in_this_thread() && lease.valid();
        }));
    std::thread other([&] { home.run(); }); // returns only when the handler has run
    const auto home_thread = other.get_id();
    context.run();
    other.join();
    CHECK(ran_on == home_thread);
    CHECK(inside);
}

TEST_CASE("a handler on a strand runs in the strand", "[os]")
{
    asio::thread_pool pool(2);
    auto strand = asio::make_strand(pool.get_executor());
    std::promise<bool> inside;
    berth::async_find_unused_port(
        pool.get_executor(), {},
        asio::bind_executor(strand, [&](std::error_code, port_lease) {
            inside.set_value(strand.running_in_this_thread());
        }));
    CHECK(inside.get_future().get());
    pool.join();
}

TEST_CASE("every kind of executor will do", "[os]")
{
    asio::io_context context;
    asio::thread_pool pool(1);
    std::thread runner;
    std::future<port_lease> lease;
    std::future<tcp::acceptor> acceptor;
    const auto start = [&](const auto& ex) {
        lease = berth::async_find_unused_port(ex, {}, asio::use_future);
        acceptor = berth::async_bind_ephemeral(ex, {}, asio::use_future);
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
    SECTION("any_io_executor of a strand")
    {
        start(asio::any_io_executor(asio::make_strand(context)));
    }
    SECTION("thread_pool")
    {
        start(pool.get_executor());
    }
    SECTION("system_executor")
    {
        start(asio::system_executor());
    }

    context.run();
    CHECK(lease.get().valid());
    CHECK(acceptor.get().is_open());
    pool.join();
}

TEST_CASE("a default completion token works", "[os]")
{
    using executor =
        asio::use_awaitable_t<>::executor_with_default<asio::any_io_executor>;
    asio::io_context context;
    run_coroutine(context, [&]() -> asio::awaitable<void> {
        const executor ex(context.get_executor());
        port_lease lease = co_await berth::async_find_unused_port(ex, {});
        CHECK(lease);
        tcp::acceptor acceptor = co_await berth::async_bind_ephemeral(ex, {});
        CHECK(acceptor.is_open());
    });
}

namespace {

struct allocating_handler {
    using allocator_type = logging_allocator<void>;
    allocator_type get_allocator() const { return allocator_type(*log); }

    void operator()(std::error_code ec, port_lease lease)
    {
        live_at_call = log->live;
        *ok = !ec && lease.valid();
    }

    allocation_log* log;
    bool* ok;
    std::size_t live_at_call = 0;
};

} // namespace

TEST_CASE("memory comes from the handler's allocator and is back before the handler runs",
          "[os]")
{
    allocation_log log;
    bool ok = false;
    asio::io_context context;
    berth::async_find_unused_port(context.get_executor(), {},
                                  allocating_handler{&log, &ok});
    CHECK(log.calls > 0);
    CHECK(log.live > 0);
    context.run();
    CHECK(ok);
    CHECK(log.live == 0);
}

TEST_CASE("an allocator that fails leaves nothing behind, wherever it fails", "[os]")
{
    asio::cancellation_signal signal;
    for (std::size_t n = 0;; ++n) {
        REQUIRE(n < 20);
        allocation_log log;
        log.fail_at = n;
        bool ok = false;
        asio::io_context context;
        bool thrown = false;
        try {
            berth::async_find_unused_port(
                context.get_executor(), {},
                asio::bind_cancellation_slot(signal.slot(),
                                             allocating_handler{&log, &ok}));
        } catch (const std::bad_alloc&) {
            thrown = true;
        }
        signal.emit(asio::cancellation_type::none);
        context.run();
        CHECK(ok != thrown);
        CHECK(log.live == 0);
        if (!thrown)
            break;
    }
}

TEST_CASE("an operation that is cancelled before it runs is aborted", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto type =
        GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                 asio::cancellation_type::total, asio::cancellation_type::all);
    asio::io_context context;
    const auto ex = context.get_executor();
    asio::cancellation_signal signals[3];
    outcome<port_lease> lease;
    outcome<tcp::acceptor> acceptor;
    outcome<std::uint16_t> port;
    udp::socket own(context, udp::v4());

    berth::async_find_unused_port(
        ex, {.backend = which},
        asio::bind_cancellation_slot(signals[0].slot(), lease.handler()));
    berth::async_bind_ephemeral(
        ex, {.backend = which},
        asio::bind_cancellation_slot(signals[1].slot(), acceptor.handler()));
    berth::async_bind_ephemeral(
        own, address_v4::loopback(),
        asio::bind_cancellation_slot(signals[2].slot(), port.handler()));
    for (auto& signal : signals)
        signal.emit(type);
    CHECK(lease.calls + acceptor.calls + port.calls == 0);
    context.run();

    CHECK(lease.calls == 1);
    CHECK(lease.ec == asio::error::operation_aborted);
    CHECK(!lease.value->valid());
    CHECK(acceptor.calls == 1);
    CHECK(acceptor.ec == asio::error::operation_aborted);
    CHECK(!acceptor.value->is_open());
    CHECK(port.calls == 1);
    CHECK(port.ec == asio::error::operation_aborted);
    CHECK(port_of(own) == 0);
}

TEST_CASE("an operation that is cancelled while it waits for its turn is aborted", "[os]")
{
    // The first turn answers for both; the second's port is given back.
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    asio::cancellation_signal signal;
    outcome<port_lease> second;
    berth::async_find_unused_port(ex, {.backend = which},
                                  [&](std::error_code, port_lease) {
                                      signal.emit(asio::cancellation_type::total);
                                  });
    berth::async_find_unused_port(
        ex, {.backend = which},
        asio::bind_cancellation_slot(signal.slot(), second.handler()));
    context.run();
    CHECK(second.calls == 1);
    CHECK(second.ec == asio::error::operation_aborted);
    CHECK(!second.value->valid());
}

TEST_CASE("cancelling after completion, or with no type, changes nothing", "[os]")
{
    asio::io_context context;
    asio::cancellation_signal signal;
    outcome<port_lease> lease;
    berth::async_find_unused_port(
        context.get_executor(), {},
        asio::bind_cancellation_slot(signal.slot(), lease.handler()));
    signal.emit(asio::cancellation_type::none);
    context.run();
    CHECK(!lease.ec);
    CHECK(lease.value->valid());
    signal.emit(asio::cancellation_type::all);
    context.restart();
    context.run();
    CHECK(lease.calls == 1);
    CHECK(lease.value->valid());
}

TEST_CASE("a cancelled coroutine gets an exception", "[os]")
{
    asio::io_context context;
    asio::cancellation_signal signal;
    std::error_code ec;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            try {
                (void)co_await berth::co_find_unused_port();
            } catch (const std::system_error& e) {
                ec = e.code();
            }
        },
        asio::bind_cancellation_slot(signal.slot(), asio::detached));
    context.run_one(); // the coroutine starts and waits
    signal.emit(asio::cancellation_type::terminal);
    context.run();
    CHECK(ec == asio::error::operation_aborted);
}

TEST_CASE("on a stopped context an operation waits until it runs again", "[os]")
{
    asio::io_context context;
    context.stop();
    outcome<port_lease> lease;
    berth::async_find_unused_port(context.get_executor(), {}, lease.handler());
    CHECK(context.run() == 0);
    CHECK(lease.calls == 0);
    context.restart();
    context.run();
    CHECK(lease.calls == 1);
    CHECK(lease.value->valid());
}

TEST_CASE("a context that is destroyed drops its pending handlers uncalled", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const bool stopped = GENERATE(false, true);
    auto alive = std::make_shared<int>();
    bool called = false;
    {
        asio::io_context context;
        if (stopped)
            context.stop();
        const auto ex = context.get_executor();
        const auto handler = [alive, &called](std::error_code, auto&&) { called = true; };
        for (int i = 0; i < 10; ++i) {
            berth::async_find_unused_port(ex, {.backend = which}, handler);
            berth::async_bind_ephemeral(ex, {.backend = which}, handler);
        }
        CHECK(alive.use_count() > 1);
    }
    CHECK(!called);
    CHECK(alive.use_count() == 1);
}

TEST_CASE("a context that is destroyed gives up answers that nobody has taken", "[os]")
{
    // The first turn has answered for all; the context ends before the others' turns.
    BERTH_EACH_BACKEND(which);
    std::optional<asio::io_context> context(std::in_place);
    int called = 0;
    for (int i = 0; i < 10; ++i)
        berth::async_bind_ephemeral(context->get_executor(), {.backend = which},
                                    [&](std::error_code, tcp::acceptor) { ++called; });
    context->run_one();
    CHECK(called == 1);
    context.reset();
    CHECK(called == 1);
}

TEST_CASE("a coroutine that is destroyed with its context gives back its leases", "[os]")
{
    BERTH_EACH_BACKEND(which);
    bool seen = false;
    for (int i = 0; i < 50 && !seen; ++i) {
        std::uint16_t port = 0;
        {
            asio::io_context context;
            asio::co_spawn(
                context,
                [&]() -> asio::awaitable<void> {
                    berth::find_options options{.backend = which};
                    auto lease = co_await berth::co_find_unused_port(options);
                    port = lease.port();
                    (void)co_await berth::co_find_unused_port(options);
                },
                asio::detached);
            while (port == 0)
                context.run_one();
            REQUIRE(!is_free(port));
        }
        seen = is_free(port); // unless another process was given it meanwhile
    }
    CHECK(seen);
}

TEST_CASE("a lease outlives the context and the thread that made it", "[os]")
{
    BERTH_EACH_BACKEND(which);
    port_lease lease;
    std::thread([&] {
        asio::io_context context;
        outcome<port_lease> made;
        berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                      made.handler());
        context.run();
        lease = std::move(*made.value);
    }).join();
    CHECK(!is_free(lease.port()));
    lease.seal();
    asio::io_context other;
    CHECK(std::move(lease).listen(other.get_executor()).is_open());
}

TEST_CASE("an executor may keep its work outside the context, even beyond its end",
          "[os]")
{
    manual_queue queue;
    std::vector<std::error_code> codes;
    port_lease kept = berth::find_unused_port();
    const auto note = [&](std::error_code ec, port_lease) {
        codes.push_back(ec);
        if (codes.size() == 3)
            kept = {};
    };
    {
        asio::io_context context;
        const manual_queue::executor_type ex(queue, context);
        berth::async_find_unused_port(ex, {}, note);
        queue.run();
        CHECK(codes == std::vector{std::error_code()});
        berth::async_find_unused_port(ex, {}, note);
        berth::async_find_unused_port(ex, {}, note);
    }
    queue.run();
    REQUIRE(codes.size() == 3);
    CHECK(codes[1] == asio::error::operation_aborted);
    CHECK(codes[2] == asio::error::operation_aborted);
}

TEST_CASE("many threads and strands allocate at once without a duplicate", "[os]")
{
    BERTH_EACH_BACKEND(which);
    constexpr int coroutines = 32;
    constexpr int rounds = 20;
    asio::thread_pool pool(4);
    std::mutex mutex;
    std::set<std::uint16_t> held;
    std::atomic<int> finished = 0;

    for (int i = 0; i < coroutines; ++i) {
        asio::co_spawn(
            asio::make_strand(pool),
            [&]() -> asio::awaitable<void> {
                for (int round = 0; round < rounds; ++round) {
                    berth::find_options find{.backend = which};
                    auto lease = co_await berth::co_find_unused_port(find);
                    berth::bind_options bind{.address = address_v6::any(),
                                             .backend = which};
                    auto acceptor = co_await berth::co_bind_ephemeral(bind);
                    const auto bound = acceptor.local_endpoint().port();
                    bool fresh = false;
                    {
                        const std::lock_guard lock(mutex);
                        fresh =
                            held.insert(lease.port()).second && held.insert(bound).second;
                    }
                    if (!fresh)
                        throw std::logic_error("a port was given twice");
                    {
                        const std::lock_guard lock(mutex);
                        held.erase(lease.port());
                        held.erase(bound);
                    }
                }
            },
            [&](std::exception_ptr e) { finished += e == nullptr ? 1 : 0; });
    }
    pool.join();
    CHECK(finished == coroutines);
}

TEST_CASE("operations of several threads on one context are all completed", "[os]")
{
    BERTH_EACH_BACKEND(which);
    constexpr int starters = 3;
    constexpr int each = 300;
    asio::io_context context;
    auto work = asio::make_work_guard(context);
    std::atomic<int> completed = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([&] { context.run(); });
    for (int i = 0; i < starters; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < each; ++n)
                berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                              [&](std::error_code ec, port_lease lease) {
                                                  if (!ec && lease.valid() &&
                                                      ++completed == starters * each)
                                                      work.reset();
                                              });
        });
    }
    for (auto& thread : threads)
        thread.join();
    CHECK(completed == starters * each);
}
