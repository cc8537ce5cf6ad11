// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"

#include <berth/detail/request.hpp>
#include <berth/error.hpp>

using berth::error;
using berth::families;
using berth::find_options;
using berth::port_pattern;
using berth::port_range;
using berth::port_set;
using berth::transports;
using berth::detail::check;
using berth::detail::product;
using berth::detail::request;

namespace {

std::error_code checked(const find_options& options)
{
    return check(request(options));
}

const asio::ip::address v4 = asio::ip::address_v4::loopback();
const asio::ip::address v6 = asio::ip::address_v6::loopback();

} // namespace

TEST_CASE("what can be asked is no error", "[unit]")
{
    CHECK(!checked({}));
    CHECK(!checked({.addresses = {v4, v6},
                    .transports = transports::both,
                    .ports = port_range{1, 65535},
                    .preferred = 8080,
                    .browser_safe = true}));
    CHECK(!check(request(product::tcp_acceptor, {})));
    CHECK(!check(request(port_pattern::offsets(0, 10000), {})));
}

TEST_CASE("ports that cannot be are an error that says which kind", "[unit]")
{
    CHECK(checked({.ports = port_range{20, 10}}) == error::invalid_range);
    CHECK(checked({.ports = port_range{0, 10}}) == error::invalid_range);
    CHECK(checked({.ports = port_set()}) == error::no_ports);
    CHECK(checked({.preferred = 0}) == error::invalid_preferred);
    CHECK(check(request(product::udp_socket, {.ports = port_set()})) == error::no_ports);
}

TEST_CASE("a pattern that nothing matches is an error", "[unit]")
{
    CHECK(check(request(port_pattern::offsets(0, 0), {})) == error::invalid_pattern);
    CHECK(check(request(port_pattern::block(0), {})) == error::invalid_pattern);
}

TEST_CASE("transports and families that name none are an error", "[unit]")
{
    CHECK(checked({.transports = transports{}}) == error::invalid_transports);
    CHECK(checked({.transports = transports(4)}) == error::invalid_transports);
    CHECK(checked({.families = families{}}) == error::invalid_families);
    CHECK(checked({.families = families(4)}) == error::invalid_families);
}

TEST_CASE("an address of a family that is left out is an error", "[unit]")
{
    CHECK(checked({.addresses = v6, .families = families::v4}) ==
          error::invalid_families);
    CHECK(checked({.addresses = {v6, v4}, .families = families::v6}) ==
          error::invalid_families);
    CHECK(!checked({.addresses = v6, .families = families::v6}));
}

TEST_CASE("the first fault is told: ports, then the rest", "[unit]")
{
    CHECK(checked({.transports = transports{}, .ports = port_set()}) == error::no_ports);
    CHECK(checked({.transports = transports{}, .families = families{}}) ==
          error::invalid_transports);
}
