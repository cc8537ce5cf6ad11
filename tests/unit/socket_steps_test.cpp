// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "socket_steps.hpp"

#include <vector>

using berth::lease_mode;
using berth::detail::sharing_rules;
using berth::detail::socket_spec;
using berth::detail::socket_use;
using step = berth::detail::socket_step;

namespace {

using steps = std::vector<step>;

constexpr step ipv6_only = step::set_ipv6_only;
constexpr step exclusive = step::set_exclusive;
constexpr step bind_it = step::bind;
constexpr step connect_it = step::connect;
constexpr step reuse_address = step::set_reuse_address;
constexpr step reuse_port = step::set_reuse_port;
constexpr step listen_it = step::listen;

const asio::ip::address v4 = asio::ip::address_v4::loopback();
const asio::ip::address v6 = asio::ip::address_v6::loopback();
const asio::ip::address every = asio::ip::address_v6::any();

steps of(const socket_spec& spec, sharing_rules rules = sharing_rules::posix)
{
    const auto found = berth::detail::steps_for(spec, rules);
    return {found.begin(), found.end()};
}

} // namespace

TEST_CASE("a holder is bound before it is made reusable", "[unit]")
{
    CHECK(of({.address = v4}) == steps{bind_it, reuse_address, reuse_port});
    CHECK(of({.address = v4, .mode = lease_mode::sealed}) == steps{bind_it});
}

TEST_CASE("a holder of UDP is connected, and never has SO_REUSEPORT", "[unit]")
{
    CHECK(of({.address = v4, .udp = true}) == steps{bind_it, connect_it, reuse_address});
    CHECK(of({.address = v4, .udp = true, .mode = lease_mode::sealed}) ==
          steps{bind_it, connect_it});
}

TEST_CASE("IPV6_V6ONLY is set on every IPv6 socket, first of all", "[unit]")
{
    for (const auto& address : {v6, every})
        for (const bool alone : {false, true})
            CHECK(of({.address = address, .ipv6_only = alone}) ==
                  steps{ipv6_only, bind_it, reuse_address, reuse_port});
    CHECK(of({.address = v6, .use = socket_use::own}) == steps{ipv6_only, bind_it});
    CHECK(of({.address = every}, sharing_rules::winsock).front() == ipv6_only);
}

TEST_CASE("a socket of the caller's is only bound, or listens as well", "[unit]")
{
    CHECK(of({.address = v4, .use = socket_use::own}) == steps{bind_it});
    CHECK(of({.address = v4, .use = socket_use::own, .udp = true}) == steps{bind_it});
    CHECK(of({.address = v4, .use = socket_use::listen}) == steps{bind_it, listen_it});
}

TEST_CASE("on Windows every socket is exclusive before it is bound", "[unit]")
{
    const auto rules = sharing_rules::winsock;
    CHECK(of({.address = v4}, rules) == steps{exclusive, bind_it});
    CHECK(of({.address = v4, .udp = true}, rules) == steps{exclusive, bind_it});
    CHECK(of({.address = v6, .use = socket_use::listen}, rules) ==
          steps{ipv6_only, exclusive, bind_it, listen_it});
}
