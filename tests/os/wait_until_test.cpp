// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "platform.hpp"

#include <berth/berth.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <optional>

using asio::ip::tcp;
using berth::wait_options;
using namespace berth::testing;

namespace {

constexpr wait_options one_look = {.timeout = std::chrono::seconds(0)};

std::error_code listening(berth::watched_port port, const wait_options& options = {})
{
    std::error_code ec;
    berth::wait_until_listening(port, options, ec);
    return ec;
}

std::error_code released(berth::watched_port port, const wait_options& options = {})
{
    std::error_code ec;
    berth::wait_until_released(port, options, ec);
    return ec;
}

} // namespace

TEST_CASE("a server is listening, and after it the port is released", "[os]")
{
    asio::io_context context;
    std::optional<tcp::acceptor> server = berth::bind_ephemeral(context.get_executor());
    const std::uint16_t port = server->local_endpoint().port();
    CHECK_FALSE(listening(port));
    CHECK(released(port, one_look) == std::errc::timed_out);
    server.reset();
    CHECK_FALSE(released(port));
}

TEST_CASE("the holder of a lease is no server", "[os]")
{
    const berth::port_lease lease = berth::find_unused_port();
    CHECK(listening(lease, one_look) == std::errc::timed_out);
    CHECK_FALSE(released(lease));
}

TEST_CASE("there is no waiting for no port", "[os]")
{
    CHECK(listening(berth::port_lease()) == berth::error::lease_empty);
    CHECK(released(std::uint16_t{0}) == std::errc::invalid_argument);
    CHECK_THROWS_WITH(berth::wait_until_listening(berth::port_lease()),
                      ContainsSubstring("wait_until_listening(port 0)"));
}

TEST_CASE("a wait of any length may be asked for", "[os]")
{
    const berth::port_lease lease = berth::find_unused_port();
    CHECK_FALSE(released(lease, {.timeout = std::chrono::steady_clock::duration::max()}));
    CHECK(listening(lease, {.timeout = -std::chrono::hours(1)}) == std::errc::timed_out);
}

TEST_CASE("a wait ends after the initiating function, however soon", "[os]")
{
    asio::io_context context;
    const auto ex = context.get_executor();
    const berth::port_lease lease = berth::find_unused_port();
    int calls = 0;
    asio::post(ex, [&] {
        berth::async_wait_until_listening(ex, lease, one_look, [&](std::error_code ec) {
            ++calls;
            CHECK(ec == std::errc::timed_out);
        });
        berth::async_wait_until_released(ex, lease, {}, [&](std::error_code ec) {
            ++calls;
            CHECK_FALSE(ec);
        });
        CHECK(calls == 0);
    });
    context.run();
    CHECK(calls == 2);
}

TEST_CASE("a coroutine sees a server come that starts while it waits", "[os]")
{
    asio::io_context context;
    tcp::acceptor server =
        berth::bind_ephemeral(context.get_executor(), {.listen = false});
    const std::uint16_t port = server.local_endpoint().port();
    std::exception_ptr failure;
    asio::co_spawn(context, berth::co_wait_until_listening(port),
                   [&](std::exception_ptr e) { failure = e; });
    asio::post(context, [&] { server.listen(); });
    context.run();
    CHECK_FALSE(failure);
}

TEST_CASE("a coroutine throws what it waited for in vain", "[os]")
{
    asio::io_context context;
    const berth::port_lease lease = berth::find_unused_port();
    std::exception_ptr failure;
    asio::co_spawn(context, berth::co_wait_until_listening(lease, one_look),
                   [&](std::exception_ptr e) { failure = e; });
    context.run();
    REQUIRE(failure);
    CHECK_THROWS_WITH(std::rethrow_exception(failure),
                      ContainsSubstring("co_wait_until_listening(port " +
                                        std::to_string(lease.port())));
}

TEST_CASE("each kind of cancellation ends a wait", "[os]")
{
    using asio::cancellation_type;
    const auto type = GENERATE(cancellation_type::terminal, cancellation_type::partial,
                               cancellation_type::total);
    const bool at_once = GENERATE(true, false);
    asio::io_context context;
    const berth::port_lease lease = berth::find_unused_port();
    asio::cancellation_signal signal;
    std::optional<std::error_code> ended;
    berth::async_wait_until_listening(
        context.get_executor(), lease, {},
        asio::bind_cancellation_slot(signal.slot(),
                                     [&](std::error_code ec) { ended = ec; }));
    if (!at_once)
        context.run_one(); // the first look
    signal.emit(type);
    context.run();
    CHECK(ended == asio::error::operation_aborted);
}

TEST_CASE("a wait on a stopped context goes on when it runs again", "[os]")
{
    asio::io_context context;
    const berth::port_lease lease = berth::find_unused_port();
    std::optional<std::error_code> ended;
    context.stop();
    berth::async_wait_until_released(context.get_executor(), lease, {},
                                     [&](std::error_code ec) { ended = ec; });
    context.run();
    CHECK_FALSE(ended);
    context.restart();
    context.run();
    CHECK(ended == std::error_code());
}

TEST_CASE("a wait whose context is destroyed is dropped uncalled", "[os]")
{
    const berth::port_lease lease = berth::find_unused_port();
    bool called = false;
    {
        asio::io_context context;
        berth::async_wait_until_listening(context.get_executor(), lease, {},
                                          [&](std::error_code) { called = true; });
        context.run_one();
    }
    CHECK_FALSE(called);
}

TEST_CASE("what only Linux tells is refused elsewhere", "[os]")
{
    if (!on_windows)
        BERTH_SKIP("this system tells, or is not known not to");
    std::error_code ec;
    (void)berth::find_port_owner(1, ec);
    CHECK(ec == std::errc::not_supported);
    CHECK(listening(std::uint16_t{1}, {.child = 1U}) == std::errc::not_supported);
}
