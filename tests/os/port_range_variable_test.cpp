// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/bind_ephemeral.hpp>
#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>

#include <asio/io_context.hpp>

#include <cstdlib>
#include <string>

// BERTH_PORT_RANGE, as it was set before the program began: meson.build sets it, and names the tests
// that go with it.

using asio::ip::address_v4;
using asio::ip::tcp;
using asio::ip::udp;
using berth::port_range;
using berth::port_set;
using namespace berth::testing;

namespace {

std::string variable()
{
    const char* const value = std::getenv("BERTH_PORT_RANGE");
    return value != nullptr ? value : "";
}

} // namespace

TEST_CASE("BERTH_PORT_RANGE is where ports come from by default", "[ports]")
{
    BERTH_EACH_BACKEND(which);
    const port_set ports = port_set::parse(variable());
    asio::io_context context;
    const auto ex = context.get_executor();
    for (int i = 0; i < 20; ++i) {
        CHECK(ports.contains(berth::find_unused_port({.backend = which}).port()));
        CHECK(ports.contains(port_of(berth::bind_ephemeral(ex, {.backend = which}))));
        CHECK(
            ports.contains(port_of(berth::bind_ephemeral<udp>(ex, {.backend = which}))));
        tcp::socket own(context, tcp::v4());
        CHECK(ports.contains(berth::bind_ephemeral(own, address_v4::loopback())));
        udp::socket own_too(context, udp::v4());
        CHECK(ports.contains(berth::bind_ephemeral(own_too, address_v4::loopback())));
    }
}

TEST_CASE("options that name ports take the place of BERTH_PORT_RANGE", "[ports][wrong]")
{
    BERTH_EACH_BACKEND(which);
    const port_range ports = {23000, 23999};
    CHECK(ports.contains(
        berth::find_unused_port({.ports = ports, .backend = which}).port()));
}

TEST_CASE("errors name the ports of BERTH_PORT_RANGE", "[ports]")
{
    // For documentation, RFC 5737.
    const auto nowhere = asio::ip::make_address("192.0.2.1");
    CHECK_THROWS_WITH(berth::find_unused_port({.addresses = nowhere}),
                      ContainsSubstring("ports " + variable() + " of BERTH_PORT_RANGE"));
    asio::io_context context;
    tcp::socket own(context, tcp::v4());
    CHECK_THROWS_WITH(berth::bind_ephemeral(own, nowhere),
                      ContainsSubstring("ports " + variable() + " of BERTH_PORT_RANGE"));
}

TEST_CASE("a BERTH_PORT_RANGE that is none is an error that names it", "[wrong]")
{
    // Also of a back end that is not there: nothing was tried.
    const auto which = GENERATE(berth::backend::automatic, berth::backend::io_uring,
                                berth::backend::syscalls, berth::backend::winsock);
    asio::io_context context;
    const auto ex = context.get_executor();
    const auto names_it = ContainsSubstring("BERTH_PORT_RANGE=" + variable());
    std::error_code ec;
    CHECK(!berth::find_unused_port({.backend = which}, ec));
    CHECK(ec == berth::error::invalid_range);
    CHECK(!berth::find_unused_port({.preferred = 23456, .backend = which}, ec));
    CHECK(ec == berth::error::invalid_range);
    CHECK(!berth::bind_ephemeral(ex, {.backend = which}, ec).is_open());
    CHECK(ec == berth::error::invalid_range);
    CHECK_THROWS_WITH(berth::find_unused_port({.backend = which}), names_it);
    CHECK_THROWS_WITH(berth::bind_ephemeral<udp>(ex, {.backend = which}), names_it);

    tcp::socket own(context, tcp::v4());
    CHECK(berth::bind_ephemeral(own, address_v4::loopback(), ec) == 0);
    CHECK(ec == berth::error::invalid_range);
    CHECK(port_of(own) == 0);
    CHECK_THROWS_WITH(berth::bind_ephemeral(own, address_v4::loopback()), names_it);
}
