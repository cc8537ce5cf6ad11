// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "sockets.hpp"

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <vector>

// When the port of a lease that was dropped, not released, is free again. The moment may lie
// after the destructor only inside the handlers of berth's own operations.

using berth::find_options;
using berth::lease_mode;
using berth::port_lease;
using namespace berth::testing;

namespace {

// A port that is free may be given to another process at any moment: what is asked of one port must
// hold for one of several.
template <class Try>
bool once_in_many(Try&& attempt)
{
    for (int i = 0; i < 50; ++i)
        if (attempt())
            return true;
    return false;
}

template <class Body>
void run_coroutine(asio::io_context& context, Body body)
{
    asio::co_spawn(context, std::move(body), asio::detached);
    context.run();
    context.restart();
}

} // namespace

TEST_CASE("a port is had again by preference where its lease was dropped just now",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto other = GENERATE(from_range(working_backends()));
    const auto wanted = GENERATE(berth::transports::tcp, berth::transports::both);
    INFO("then " << to_string(other) << ", transports " << int(wanted));
    asio::io_context context;
    CHECK(once_in_many([&] {
        bool had = false;
        run_coroutine(context, [&]() -> asio::awaitable<void> {
            const find_options options{.backend = which};
            const auto port = (co_await berth::co_find_unused_port(options)).port();
            const auto lease = berth::find_unused_port(
                {.transports = wanted, .preferred = port, .backend = other});
            had = lease.port() == port;
        });
        return had;
    }));
}

TEST_CASE("a lease that a coroutine drops is free when it awaits the next thing", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    CHECK(once_in_many([&] {
        bool free = false;
        run_coroutine(context, [&]() -> asio::awaitable<void> {
            const find_options options{.backend = which};
            const auto port = (co_await berth::co_find_unused_port(options)).port();
            co_await asio::post(asio::use_awaitable);
            free = is_free(port);
        });
        return free;
    }));
}

TEST_CASE("a lease that a handler drops is free when the handler has returned", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    CHECK(once_in_many([&] {
        std::uint16_t port = 0;
        berth::async_find_unused_port(
            context.get_executor(), {.backend = which},
            [&](std::error_code, port_lease lease) { port = lease.port(); });
        context.run();
        context.restart();
        return is_free(port);
    }));
}

TEST_CASE("a lease that is dropped while others wait is free when they are answered",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    CHECK(once_in_many([&] {
        std::uint16_t port = 0;
        port_lease other;
        berth::async_find_unused_port(
            context.get_executor(), {.backend = which},
            [&](std::error_code, port_lease lease) {
                berth::async_find_unused_port(
                    context.get_executor(), {.backend = which},
                    [&](std::error_code, port_lease next) { other = std::move(next); });
                port = lease.port();
            });
        while (!other.valid())
            context.run_one();
        context.run();
        context.restart();
        return is_free(port);
    }));
}

TEST_CASE("a lease that is released, sealed or of a small range is free at once", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto drop = GENERATE(0, 1, 2);
    CHECK(once_in_many([&] {
        bool free = false;
        run_coroutine(context, [&]() -> asio::awaitable<void> {
            const auto range = berth::port_range::system_ephemeral();
            find_options options{.backend = which};
            if (drop == 1)
                options.mode = lease_mode::sealed;
            if (drop == 2)
                options.ports =
                    berth::port_range{std::uint16_t(range.last - 999), range.last};
            auto lease = co_await berth::co_find_unused_port(options);
            const auto port = lease.port();
            if (drop == 0)
                lease.release();
            lease = {};
            free = is_free(port);
        });
        return free;
    }));
}

TEST_CASE("a context that is destroyed leaves no lease that was dropped in it", "[os]")
{
    BERTH_EACH_BACKEND(which);
    CHECK(once_in_many([&] {
        std::uint16_t port = 0;
        {
            asio::io_context context;
            berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                          [&](std::error_code, port_lease lease) {
                                              berth::async_find_unused_port(
                                                  context.get_executor(),
                                                  {.backend = which},
                                                  [](std::error_code, port_lease) {});
                                              port = lease.port();
                                              context.stop();
                                          });
            context.run();
        }
        return is_free(port);
    }));
}

TEST_CASE("a lease may be dropped in a handler that runs inside another one", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context outer;
    asio::io_context inner;
    CHECK(once_in_many([&] {
        std::uint16_t port = 0;
        bool free = false;
        berth::async_find_unused_port(
            outer.get_executor(), {.backend = which},
            [&](std::error_code, port_lease lease) {
                port = lease.port();
                berth::async_find_unused_port(
                    inner.get_executor(), {.backend = which},
                    [&](std::error_code, port_lease) { lease = {}; });
                inner.run();
                inner.restart();
                free = is_free(port);
            });
        outer.run();
        outer.restart();
        return free;
    }));
}

TEST_CASE("a port that was dropped just now is found again where it is the only one",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    const bool at_once = GENERATE(true, false);
    asio::io_context context;
    CHECK(once_in_many([&] {
        std::uint16_t port = 0;
        port_lease again;
        berth::async_find_unused_port(
            context.get_executor(), {.backend = which},
            [&](std::error_code, port_lease lease) {
                port = lease.port();
                lease = {};
                const find_options only{.ports = berth::port_range{port, port},
                                        .backend = which};
                std::error_code ec;
                if (at_once)
                    again = berth::find_unused_port(only, ec);
                else
                    berth::async_find_unused_port(context.get_executor(), only,
                                                  [&](std::error_code, port_lease next) {
                                                      again = std::move(next);
                                                  });
            });
        context.run();
        context.restart();
        return again.valid() && again.port() == port;
    }));
}

TEST_CASE("the last port of a range is found again as soon as its lease was dropped",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    // More ports than a ring has slots, so that the one who asks and the one who dropped do
    // not meet in one ring.
    const auto last = berth::port_range::system_ephemeral().last;
    const find_options options{
        .ports = berth::port_range{std::uint16_t(last - 4299), last}, .backend = which};
    CHECK(once_in_many([&] {
        std::vector<port_lease> leases;
        std::error_code ec;
        while (!ec)
            leases.push_back(berth::find_unused_port(options, ec));
        if (ec != berth::error::ports_exhausted)
            return true; // a want of descriptors, which is another test's

        asio::io_context context;
        port_lease again;
        berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                      [&](std::error_code, port_lease) {
                                          leases.erase(leases.begin());
                                          again = berth::find_unused_port(options, ec);
                                      });
        context.run();
        return again.valid();
    }));
}
