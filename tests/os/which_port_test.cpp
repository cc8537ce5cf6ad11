// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/bind_ephemeral.hpp>
#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>
#include <berth/find_unused_ports.hpp>

#include <asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

// Which port it is, of those that are free.

using asio::ip::tcp;
using asio::ip::udp;
using berth::backend;
using berth::port_range;
using berth::port_set;
using namespace berth::testing;

namespace {

constexpr int attempts = 50;

} // namespace

TEST_CASE("a port comes from the set that is asked for", "[os][which_port]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    const port_set ports =
        (port_set(port_range{20000, 20499}) | port_range{21000, 21499}) -
        port_range{20100, 21100};
    for (int i = 0; i < 50; ++i) {
        const auto lease = berth::find_unused_port({.ports = ports, .backend = which});
        CHECK(ports.contains(lease.port()));
        const auto acceptor =
            berth::bind_ephemeral(ex, {.ports = ports, .backend = which});
        CHECK(ports.contains(port_of(acceptor)));
        const auto socket =
            berth::bind_ephemeral<udp>(ex, {.ports = ports, .backend = which});
        CHECK(ports.contains(port_of(socket)));
    }
}

TEST_CASE("a browser-safe port is none that browsers block", "[os][which_port]")
{
    BERTH_EACH_BACKEND(which);
    constexpr std::array blocked = {6665, 6666, 6667, 6668, 6669, 6679, 6697};
    const port_range around = {6660, 6699};
    std::vector<berth::port_lease> leases;
    std::error_code ec;
    while (!ec && leases.size() <= around.size()) {
        leases.push_back(berth::find_unused_port(
            {.ports = around, .browser_safe = true, .backend = which}, ec));
        CHECK(std::ranges::find(blocked, leases.back().port()) == blocked.end());
    }
    CHECK(is_exhausted(ec));
    CHECK(leases.size() <= around.size() - blocked.size() + 1); // and the last is none

    CHECK(berth::find_unused_port({.browser_safe = true, .backend = which}).port() != 0);
}

TEST_CASE("where nothing is left to choose from the error says so", "[os][which_port]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const port_range irc = {6665, 6669};
    std::error_code ec;
    CHECK(!berth::find_unused_port({.ports = irc, .browser_safe = true, .backend = which},
                                   ec));
    CHECK(ec == berth::error::no_ports);
    CHECK(!berth::bind_ephemeral(context.get_executor(),
                                 {.ports = irc, .browser_safe = true, .backend = which},
                                 ec)
               .is_open());
    CHECK(ec == berth::error::no_ports);
    CHECK_THROWS_WITH(
        berth::find_unused_port({.ports = irc, .browser_safe = true, .backend = which}),
        ContainsSubstring("6665-6669") && ContainsSubstring("browser-safe"));
}

// A port that was free a moment ago may be taken by another process: each use of it is in a loop
// that tries again.

TEST_CASE("a preferred port that is free is had, whatever the set", "[os][which_port]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    const std::optional<port_set> ports = GENERATE(
        as<std::optional<port_set>>(), std::nullopt, port_set(port_range{20000, 20999}));
    int leased = 0;
    int accepting = 0;
    int bound = 0;
    for (int i = 0; i < attempts; ++i) {
        const auto once = berth::find_unused_port({.backend = which}).release();
        const auto lease = berth::find_unused_port(
            {.ports = ports, .preferred = once, .backend = which});
        leased += lease.port() == once ? 1 : 0;

        const auto twice = berth::find_unused_port({.backend = which}).release();
        const auto acceptor = berth::bind_ephemeral(
            ex, {.ports = ports, .preferred = twice, .backend = which});
        accepting += port_of(acceptor) == twice ? 1 : 0;
        const auto socket = berth::bind_ephemeral<udp>(
            ex, {.ports = ports, .preferred = twice, .backend = which});
        bound += port_of(socket) == twice ? 1 : 0;
    }
    CHECK(leased > 0);
    CHECK(accepting > 0);
    CHECK(bound > 0);
}

TEST_CASE("a preferred port that is taken is passed over", "[os][which_port]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    const auto held = berth::find_unused_port({.backend = which});
    const auto taken = held.port();
    const port_set ports = port_range{20000, 20999};
    for (int i = 0; i < 3; ++i) {
        const auto lease = berth::find_unused_port(
            {.ports = ports, .preferred = taken, .backend = which});
        CHECK(ports.contains(lease.port()));
        const auto acceptor = berth::bind_ephemeral(
            ex, {.ports = ports, .preferred = taken, .backend = which});
        CHECK(ports.contains(port_of(acceptor)));
        const auto other =
            berth::find_unused_port({.preferred = taken, .backend = which});
        CHECK(other.port() != taken);
        CHECK(is_ephemeral(other.port()));
    }

    std::error_code ec;
    const port_range only = {taken, taken};
    CHECK(!berth::find_unused_port({.ports = only, .preferred = taken, .backend = which},
                                   ec));
    CHECK(is_exhausted(ec));
    CHECK_THROWS_WITH(
        berth::find_unused_port({.ports = only, .preferred = taken, .backend = which}),
        ContainsSubstring("preferred " + std::to_string(taken)));
}

TEST_CASE("a preferred port is not had where browsers block it", "[os][which_port]")
{
    BERTH_EACH_BACKEND(which);
    const auto lease = berth::find_unused_port(
        {.preferred = 6666, .browser_safe = true, .backend = which});
    CHECK(lease.port() != 6666);
    const auto twice = berth::find_unused_port({.transports = berth::transports::both,
                                                .preferred = 6666,
                                                .browser_safe = true,
                                                .backend = which});
    CHECK(twice.port() != 6666);
    for (const berth::port_pattern& pattern :
         {berth::port_pattern(2), berth::port_pattern::block(2)}) {
        const auto leases = berth::find_unused_ports(
            pattern, {.preferred = 6666, .browser_safe = true, .backend = which});
        CHECK(leases[0].port() != 6666);
    }
}

TEST_CASE("what is wrong with the options is the error, whatever the back end",
          "[os][which_port]")
{
    const auto which = GENERATE(backend::automatic, backend::io_uring, backend::syscalls,
                                backend::winsock);
    INFO(to_string(which));
    const auto fails = [which](std::optional<port_set> ports,
                               std::optional<std::uint16_t> preferred,
                               berth::error error) {
        asio::io_context context;
        std::error_code ec;
        CHECK(!berth::find_unused_port(
            {.ports = ports, .preferred = preferred, .backend = which}, ec));
        CHECK(ec == error);
        const auto acceptor = berth::bind_ephemeral(
            context.get_executor(),
            {.ports = ports, .preferred = preferred, .backend = which}, ec);
        CHECK(!acceptor.is_open());
        CHECK(ec == error);
    };
    port_set many;
    for (std::uint16_t port = 20000; many.ranges().size() < port_set::max_ranges;
         port += 2)
        many = many | port_range{port, port};
    fails(port_range{9, 8}, std::nullopt, berth::error::invalid_range);
    fails(port_set(port_range{8, 9}) - port_range{9, 8}, 20000,
          berth::error::invalid_range);
    fails(many | port_range{30000, 30000}, std::nullopt, berth::error::too_many_ranges);
    fails(port_set(), std::nullopt, berth::error::no_ports);
    fails(port_set(), 20000, berth::error::no_ports);
    fails(std::nullopt, 0, berth::error::invalid_preferred);
}
