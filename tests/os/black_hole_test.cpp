// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/bind_ephemeral.hpp>
#include <berth/black_hole.hpp>
#include <berth/error.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <vector>

using asio::ip::address;
using asio::ip::make_address;
using asio::ip::tcp;
using berth::black_hole;
using namespace berth::testing;

namespace {

/// Clients that connect for as long as this lives, or until they are answered.
class clients {
public:
    void connect(const address& to, std::uint16_t port)
    {
        sockets_.emplace_back(context_).async_connect(
            {to, port}, [this](std::error_code ec) { answers_.push_back(ec); });
    }

    /// The clients' own timeout, which is what a black hole is for.
    std::size_t answered_within(std::chrono::milliseconds timeout)
    {
        context_.restart();
        context_.run_for(timeout);
        return answers_.size();
    }

    void give_up()
    {
        for (tcp::socket& one : sockets_)
            one.close();
        context_.restart();
        context_.run();
        answers_.clear();
        sockets_.clear();
    }

private:
    asio::io_context context_;
    std::list<tcp::socket> sockets_;
    std::vector<std::error_code> answers_;
};

constexpr std::chrono::milliseconds a_while{100};

} // namespace

#define BERTH_NEEDS_BLACK_HOLES()                                                        \
    do {                                                                                 \
        if (on_windows)                                                                  \
            BERTH_SKIP("a full queue refuses on Windows");                               \
    } while (false)

TEST_CASE("a black hole neither accepts nor refuses", "[os]")
{
    BERTH_NEEDS_BLACK_HOLES();
    BERTH_EACH_BACKEND(which);
    struct place {
        const char* bound;
        std::vector<const char*> ways;
    };
    const auto where =
        GENERATE(place{"127.0.0.1", {"127.0.0.1"}}, place{"127.0.0.2", {"127.0.0.2"}},
                 place{"0.0.0.0", {"127.0.0.1", "127.0.0.2"}}, place{"::1", {"::1"}},
                 place{"::", {"::1", "127.0.0.1"}});
    INFO(where.bound);
    const black_hole hole =
        berth::bind_black_hole({.address = make_address(where.bound), .backend = which});
    CHECK(hole.endpoint() == tcp::endpoint(make_address(where.bound), hole.port()));

    clients some;
    for (const char* const way : where.ways)
        for (int i = 0; i < 20; ++i)
            some.connect(make_address(way), hole.port());
    CHECK(some.answered_within(a_while) == 0);

    // Who gives up makes no room for the next.
    some.give_up();
    some.connect(make_address(where.ways.front()), hole.port());
    CHECK(some.answered_within(a_while) == 0);
}

TEST_CASE("a black hole keeps its port for its life", "[os]")
{
    BERTH_NEEDS_BLACK_HOLES();
    BERTH_EACH_BACKEND(which);
    const address here = asio::ip::address_v4::loopback();
    black_hole first = berth::bind_black_hole({.backend = which});
    const std::uint16_t port = first.port();
    CHECK(is_ephemeral(port));
    CHECK(is_taken(bind_plainly<tcp>(here, port)));

    black_hole second = std::move(first);
    CHECK(first.port() == 0); // NOLINT(bugprone-use-after-move): moved-from is empty
    CHECK(first.endpoint() == tcp::endpoint());
    CHECK(second.port() == port);
    CHECK(is_taken(bind_plainly<tcp>(here, port)));

    second = berth::bind_black_hole({.backend = which});
    CHECK(second.port() != port);
    CHECK(connect_to(here, port) == std::errc::connection_refused);
}

TEST_CASE("what a black hole does not ask changes nothing", "[os]")
{
    BERTH_NEEDS_BLACK_HOLES();
    const black_hole hole = berth::bind_black_hole({.listen = false, .backlog = 100});
    clients one;
    one.connect(hole.endpoint().address(), hole.port());
    CHECK(one.answered_within(a_while) == 0);
}

TEST_CASE("a black hole comes from the range that is asked for, or not at all", "[os]")
{
    BERTH_NEEDS_BLACK_HOLES();
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto blocker = berth::bind_ephemeral(context.get_executor());
    const std::uint16_t port = blocker.local_endpoint().port();
    const berth::bind_options taken = {.ports = berth::port_range{port, port},
                                       .backend = which};
    std::error_code ec;
    CHECK(berth::bind_black_hole(taken, ec).port() == 0);
    CHECK(ec == berth::error::ports_exhausted);
    CHECK_THROWS_WITH(berth::bind_black_hole(taken),
                      ContainsSubstring("bind_black_hole") &&
                          ContainsSubstring(std::to_string(port)));

    std::exception_ptr failure;
    asio::co_spawn(context, berth::co_bind_black_hole(taken),
                   [&](std::exception_ptr e, const black_hole&) { failure = e; });
    context.run();
    REQUIRE(failure);
    CHECK_THROWS_WITH(std::rethrow_exception(failure),
                      ContainsSubstring("co_bind_black_hole") &&
                          ContainsSubstring(std::to_string(port)));
}

TEST_CASE("a black hole is bound after the initiating function, and by a coroutine",
          "[os]")
{
    BERTH_NEEDS_BLACK_HOLES();
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    std::vector<black_hole> holes;
    berth::async_bind_black_hole(context.get_executor(), {.backend = which},
                                 [&](std::error_code ec, black_hole hole) {
                                     CHECK_FALSE(ec);
                                     holes.push_back(std::move(hole));
                                 });
    asio::co_spawn(context, berth::co_bind_black_hole({.backend = which}),
                   [&](std::exception_ptr e, black_hole hole) {
                       CHECK_FALSE(e);
                       holes.push_back(std::move(hole));
                   });
    CHECK(holes.empty());
    context.run();
    REQUIRE(holes.size() == 2);
    clients two;
    for (const black_hole& hole : holes)
        two.connect(hole.endpoint().address(), hole.port());
    CHECK(two.answered_within(a_while) == 0);
}

TEST_CASE("a black hole that is cancelled is not bound", "[os]")
{
    asio::io_context context;
    asio::cancellation_signal signal;
    std::optional<std::error_code> ended;
    berth::async_bind_black_hole(
        context.get_executor(), {},
        asio::bind_cancellation_slot(signal.slot(),
                                     [&](std::error_code ec, const black_hole& hole) {
                                         ended = ec;
                                         CHECK(hole.port() == 0);
                                     }));
    signal.emit(asio::cancellation_type::total);
    context.run();
    CHECK(ended == asio::error::operation_aborted);
}

TEST_CASE("there is no black hole where a full queue refuses", "[os]")
{
    if (!on_windows)
        BERTH_SKIP("a full queue answers nobody here");
    std::error_code ec;
    CHECK(berth::bind_black_hole({}, ec).port() == 0);
    CHECK(ec == std::errc::not_supported);
}
