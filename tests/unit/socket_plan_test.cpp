// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "socket_plan.hpp"
#include "system.hpp"

#include <berth/bind_ephemeral.hpp>

#include <string>
#include <vector>

using berth::address_list;
using berth::families;
using berth::find_options;
using berth::lease_mode;
using berth::transports;
using berth::detail::plan_sockets;
using berth::detail::product;
using berth::detail::request;
using berth::detail::socket_spec;
using berth::detail::socket_use;

namespace {

using texts = std::vector<std::string>;

asio::ip::address at(const char* text)
{
    return asio::ip::make_address(text);
}

// "tcp ::1", "udp :: only", "udp ::1 optional", "tcp 127.0.0.2 beside".
std::string describe(const socket_spec& spec)
{
    std::string text = (spec.udp ? "udp " : "tcp ") + spec.address.to_string();
    if (spec.ipv6_only)
        text += " only";
    if (spec.beside_own)
        text += " beside";
    if (spec.optional)
        text += " optional";
    return text;
}

texts plan(const find_options& options, bool have_ipv6 = true)
{
    texts all;
    const auto sockets = plan_sockets(request(options), have_ipv6);
    for (const socket_spec& spec : sockets.all()) {
        CHECK(spec.use == socket_use::hold);
        all.push_back(describe(spec));
    }
    return all;
}

} // namespace

TEST_CASE("a lease of TCP is one socket for every address", "[unit]")
{
    CHECK(plan({}) == texts{"tcp ::"});
    CHECK(plan({.families = families::v4}) == texts{"tcp 0.0.0.0"});
    CHECK(plan({.families = families::v6}) == texts{"tcp :: only"});
}

TEST_CASE("a host without IPv6 is held on IPv4, unless IPv6 is asked for", "[unit]")
{
    CHECK(plan({}, false) == texts{"tcp 0.0.0.0"});
    CHECK(plan({.families = families::v6}, false) == texts{"tcp :: only"});
}

TEST_CASE("on UDP the loopback addresses stand for every address, where holders are "
          "connected",
          "[unit]")
{
    if (!berth::detail::udp_holders_are_connected) {
        CHECK(plan({.transports = transports::udp}) == texts{"udp ::"});
        return;
    }
    CHECK(plan({.transports = transports::udp}) ==
          texts{"udp 127.0.0.1", "udp ::1 optional"});
    CHECK(plan({.transports = transports::both}) ==
          texts{"tcp ::", "udp 127.0.0.1", "udp ::1 optional"});
    CHECK(plan({.transports = transports::udp, .families = families::v4}) ==
          texts{"udp 127.0.0.1"});
    // Asked for alone it must be there.
    CHECK(plan({.transports = transports::udp, .families = families::v6}) ==
          texts{"udp ::1 only"});
}

TEST_CASE("an address that another one covers needs no socket", "[unit]")
{
    CHECK(plan({.addresses = {at("127.0.0.1"), at("::")}}) == texts{"tcp ::"});
    CHECK(plan({.addresses = {at("127.0.0.1"), at("0.0.0.0")}}) == texts{"tcp 0.0.0.0"});
    CHECK(plan({.addresses = {at("::1"), at("0.0.0.0")}}) ==
          texts{"tcp 0.0.0.0", "tcp ::1"});
    CHECK(plan({.addresses = {at("127.0.0.1"), at("127.0.0.1")}}) ==
          texts{"tcp 127.0.0.1"});
    CHECK(plan({.addresses = {at("::1"), at("::")}, .families = families::v6}) ==
          texts{"tcp :: only"});
}

TEST_CASE("a socket beside another one of its lease and family says so", "[unit]")
{
    CHECK(plan({.addresses = {at("127.0.0.1"), at("127.0.0.2"), at("::1")}}) ==
          texts{"tcp 127.0.0.1", "tcp 127.0.0.2 beside", "tcp ::1"});
}

TEST_CASE("an address is planned as the kernel keeps it", "[unit]")
{
    CHECK(plan({.addresses = {at("::ffff:127.0.0.1")}}) == texts{"tcp 127.0.0.1"});
    CHECK(plan({.addresses = {at("::1%7")}}) == texts{"tcp ::1"});
    CHECK(plan({.addresses = {at("fe80::1%7")}}).size() == 1);
}

TEST_CASE("a plan has eight sockets at most", "[unit]")
{
    const address_list four = {at("127.0.0.1"), at("127.0.0.2"), at("::1"),
                               at("fe80::1")};
    CHECK(plan({.addresses = four, .transports = transports::both}).size() == 8);
}

TEST_CASE("a plan has the mode that is asked for", "[unit]")
{
    for (const lease_mode mode : {lease_mode::open, lease_mode::sealed})
        CHECK(
            plan_sockets(request(find_options{.mode = mode}), true).all().front().mode ==
            mode);
}

TEST_CASE("a socket of the caller's is the one that is asked for", "[unit]")
{
    const auto only = [](product what, const berth::bind_options& options) {
        const auto sockets = plan_sockets(request(what, options), true);
        CHECK(sockets.all().size() == 1);
        return sockets.all().front();
    };
    const auto acceptor = only(product::tcp_acceptor, {.backlog = 7});
    CHECK(describe(acceptor) == "tcp 127.0.0.1");
    CHECK(acceptor.use == socket_use::listen);
    CHECK(acceptor.backlog == 7);
    CHECK(only(product::tcp_acceptor, {.listen = false}).use == socket_use::own);
    const auto socket = only(product::udp_socket, {.address = at("::")});
    CHECK(describe(socket) == "udp ::");
    CHECK(socket.use == socket_use::own);
}
