// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "logging_allocator.hpp"
#include "waiting.hpp"

#include <berth/berth.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <new>
#include <system_error>

// Requests that stop waiting without a port: the time is up, they are cancelled, or memory is short.

using asio::ip::tcp;
using berth::port_lease;
using namespace berth::testing;
using namespace std::chrono_literals;

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
