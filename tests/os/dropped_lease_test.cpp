// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "sockets.hpp"

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <functional>

// The port of a lease is free when its destructor returns, whatever runs and waits meanwhile.

using berth::find_options;
using berth::port_lease;
using namespace berth::testing;

namespace {

// A port that is free may be given to another process at any moment: what is asked of one port must
// hold for one of several.
bool once_in_many(const std::function<bool()>& attempt)
{
    for (int i = 0; i < 50; ++i)
        if (attempt())
            return true;
    return false;
}

// Runs `handle(lease)` as the completion handler of a request.
void with_lease(asio::io_context& context, const find_options& options,
                const std::function<void(port_lease)>& handle)
{
    berth::async_find_unused_port(
        context.get_executor(), options,
        [&](std::error_code, port_lease lease) { handle(std::move(lease)); });
    context.run();
    context.restart();
}

} // namespace

TEST_CASE("a lease that a coroutine drops is free at once", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(berth::transports::tcp, berth::transports::both);
    const auto mode = GENERATE(berth::lease_mode::open, berth::lease_mode::sealed);
    asio::io_context context;
    CHECK(once_in_many([&] {
        bool free = false;
        asio::co_spawn(
            context,
            [&]() -> asio::awaitable<void> {
                const find_options options{
                    .transports = wanted, .mode = mode, .backend = which};
                const auto port = (co_await berth::co_find_unused_port(options)).port();
                free = is_free(port);
            },
            asio::detached);
        context.run();
        context.restart();
        return free;
    }));
}

TEST_CASE("a lease that a handler drops is free at once, while other requests wait",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    CHECK(once_in_many([&] {
        bool free = false;
        with_lease(context, {.backend = which}, [&](port_lease lease) {
            berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                          [](std::error_code, port_lease) {});
            const auto port = lease.port();
            lease = {};
            free = is_free(port);
        });
        return free;
    }));
}

TEST_CASE("a lease may be dropped in a handler that runs inside another one", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context outer;
    asio::io_context inner;
    CHECK(once_in_many([&] {
        bool free = false;
        with_lease(outer, {.backend = which}, [&](port_lease lease) {
            const auto port = lease.port();
            with_lease(inner, {.backend = which}, [&](port_lease) { lease = {}; });
            free = is_free(port);
        });
        return free;
    }));
}

TEST_CASE(
    "a port that was dropped just now is found again, by preference or as the only one",
    "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto other = GENERATE(from_range(working_backends()));
    const bool preferred = GENERATE(true, false);
    asio::io_context context;
    CHECK(once_in_many([&] {
        bool again = false;
        with_lease(context, {.backend = which}, [&](port_lease lease) {
            const auto port = lease.port();
            lease = {};
            find_options options{.backend = other};
            if (preferred)
                options.preferred = port;
            else
                options.ports = berth::port_range{port, port};
            std::error_code ec;
            again = berth::find_unused_port(options, ec).port() == port;
        });
        return again;
    }));
}

TEST_CASE("a context that is destroyed leaves no lease that was dropped in it", "[os]")
{
    BERTH_EACH_BACKEND(which);
    CHECK(once_in_many([&] {
        std::uint16_t port = 0;
        {
            asio::io_context context;
            with_lease(context, {.backend = which}, [&](port_lease lease) {
                berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                              [](std::error_code, port_lease) {});
                port = lease.port();
                context.stop();
            });
        }
        return is_free(port);
    }));
}
