// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/bind_ephemeral.hpp>
#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>

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
    CHECK(!berth::find_unused_port({.ports = port_set(), .backend = which}, ec));
    CHECK(ec == berth::error::no_ports);
    CHECK_THROWS_WITH(
        berth::find_unused_port({.ports = irc, .browser_safe = true, .backend = which}),
        ContainsSubstring("6665-6669") && ContainsSubstring("browser-safe"));
}
