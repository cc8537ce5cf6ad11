// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

// One number in several transports and families, and several numbers at once.

using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::tcp;
using asio::ip::udp;
using berth::families;
using berth::find_options;
using berth::lease_mode;
using berth::port_lease;
using berth::port_pattern;
using berth::port_range;
using berth::transports;
using berth::testing::bind_plainly;
using berth::testing::ContainsSubstring;
using berth::testing::is_exhausted;

namespace {

const asio::ip::address v4 = address_v4::loopback();
const asio::ip::address v6 = address_v6::loopback();

bool have_ipv6()
{
    return !bind_plainly<tcp>(v6, 0);
}

template <class Protocol>
bool is_held(const asio::ip::address& address, std::uint16_t port)
{
    return bool(bind_plainly<Protocol>(address, port));
}

std::vector<std::uint16_t> ports_of(const std::vector<port_lease>& leases)
{
    std::vector<std::uint16_t> ports;
    for (const port_lease& lease : leases)
        ports.push_back(lease.port());
    return ports;
}

} // namespace

TEST_CASE("one number is held in each transport and family that was asked for", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(transports::tcp, transports::udp, transports::both);
    const auto family = GENERATE(families::v4, families::v6, families::both);
    if (family == families::v6 && !have_ipv6())
        BERTH_SKIP("no IPv6 on this host");
    CAPTURE(int(wanted), int(family));
    const lease_mode mode = GENERATE(lease_mode::open, lease_mode::sealed);

    auto lease = berth::find_unused_port(
        {.transports = wanted, .families = family, .mode = mode, .backend = which});
    const auto port = lease.port();
    const bool holds_tcp = wanted != transports::udp;
    const bool holds_udp = wanted != transports::tcp;
    if (family != families::v6) {
        CHECK((!holds_tcp || is_held<tcp>(v4, port)));
        CHECK((!holds_udp || is_held<udp>(v4, port)));
    }
    if (family != families::v4 && have_ipv6()) {
        CHECK((!holds_tcp || is_held<tcp>(v6, port)));
        CHECK((!holds_udp || is_held<udp>(v6, port)));
    }
    CHECK(lease.release() == port);
    CHECK(!lease);
}

TEST_CASE("each of several addresses is held, and no other", "[os]")
{
    BERTH_EACH_BACKEND(which);
    if (!have_ipv6())
        BERTH_SKIP("no IPv6 on this host");
    const auto lease = berth::find_unused_port(
        {.addresses = {v4, v6, v4}, .transports = transports::both, .backend = which});
    for (const auto& address : {v4, v6}) {
        CHECK(is_held<tcp>(address, lease.port()));
        CHECK(is_held<udp>(address, lease.port()));
    }
}

TEST_CASE("an address that is named in two ways is held once", "[os]")
{
    BERTH_EACH_BACKEND(which);
    if (!have_ipv6())
        BERTH_SKIP("no IPv6 on this host");
    const auto wanted = GENERATE(transports::tcp, transports::udp, transports::both);
    const auto named = [](const char* text) { return asio::ip::make_address(text); };
    const berth::address_list lists[] = {
        {v4, named("::ffff:127.0.0.1")},
        {named("::ffff:127.0.0.1"), v4},
        {named("0.0.0.0"), named("::ffff:127.0.0.1")},
        {v4, named("::ffff:0.0.0.0")},
        {named("::"), named("::ffff:127.0.0.1")},
        {v6, named("::1%1")},
    };
    for (const berth::address_list& addresses : lists) {
        std::error_code ec;
        const auto lease = berth::find_unused_port(
            {.addresses = addresses, .transports = wanted, .backend = which}, ec);
        CHECK(!ec);
    }
}

TEST_CASE("the wildcards are held together, in whatever order", "[os]")
{
    BERTH_EACH_BACKEND(which);
    if (!have_ipv6())
        BERTH_SKIP("no IPv6 on this host");
    const berth::address_list addresses =
        GENERATE(berth::address_list(address_v4::any(), address_v6::any()),
                 berth::address_list(address_v6::any(), v4, address_v4::any()));
    const auto lease = berth::find_unused_port(
        {.addresses = addresses, .transports = transports::both, .backend = which});
    for (const auto& address : {v4, v6}) {
        CHECK(is_held<tcp>(address, lease.port()));
        CHECK(is_held<udp>(address, lease.port()));
    }
}

TEST_CASE("two addresses of one family are held on one number", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const asio::ip::address other = asio::ip::make_address("127.0.0.2");
    const auto lease =
        berth::find_unused_port({.addresses = {v4, other}, .backend = which});
    CHECK(is_held<tcp>(v4, lease.port()));
    CHECK(is_held<tcp>(other, lease.port()));
}

TEST_CASE("a number that is taken in one transport is not found for both", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto with = GENERATE(transports::tcp, transports::udp);
    const auto taken = berth::find_unused_port({.transports = with, .backend = which});
    const find_options options{.transports = transports::both,
                               .ports = port_range{taken.port(), taken.port()},
                               .backend = which};
    std::error_code ec;
    CHECK(!berth::find_unused_port(options, ec));
    CHECK(is_exhausted(ec));
}

TEST_CASE("several ports are found together, each with a lease of its own", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const std::size_t count = GENERATE(0, 1, 3, 100, 300);
    auto leases = berth::find_unused_ports(count, {.backend = which});
    const auto ports = ports_of(leases);
    CHECK(std::set(ports.begin(), ports.end()).size() == count);
    for (const std::uint16_t port : ports)
        CHECK(is_held<tcp>(v4, port));
}

TEST_CASE("a block is in a row, a pattern at its distances", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(transports::tcp, transports::both);
    const find_options options{.transports = wanted, .backend = which};

    const auto row = ports_of(berth::find_unused_ports(port_pattern::block(9), options));
    REQUIRE(row.size() == 9);
    for (std::size_t i = 0; i < row.size(); ++i)
        CHECK(row[i] == row[0] + i);

    const auto redis =
        ports_of(berth::find_unused_ports(port_pattern::offsets(0, 10000), options));
    REQUIRE(redis.size() == 2);
    CHECK(redis[1] == redis[0] + 10000);

    for (int i = 0; i < 8; ++i) {
        const auto rtp = ports_of(berth::find_unused_ports(
            port_pattern::offsets(0, 1).from_multiple_of(2), options));
        REQUIRE(rtp.size() == 2);
        CHECK(rtp[0] % 2 == 0);
        CHECK(rtp[1] == rtp[0] + 1);
    }
}

TEST_CASE("what no set of ports can satisfy is an error of the options", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const port_range ten{40000, 40009};
    const auto fails = [&](const port_pattern& pattern, find_options options) {
        options.backend = which;
        std::error_code ec;
        CHECK(berth::find_unused_ports(pattern, options, ec).empty());
        return ec;
    };
    using berth::error;
    CHECK(fails(port_pattern::block(11), {.ports = ten}) == error::pattern_too_wide);
    CHECK(fails(11, {.ports = ten}) == error::pattern_too_wide);
    CHECK(fails(port_pattern::offsets(0, 10), {.ports = ten}) == error::pattern_too_wide);
    CHECK(fails(port_pattern::offsets(0, 1).from_multiple_of(7),
                {.ports = port_range{7, 7}}) == error::pattern_too_wide);
    CHECK(fails(port_pattern::offsets(0, 0), {}) == error::invalid_pattern);
    CHECK(fails(port_pattern::offsets(1, 2), {}) == error::invalid_pattern);
    CHECK(fails(port_pattern::offsets(0, -1), {}) == error::invalid_pattern);
    CHECK(fails(port_pattern::offsets(0, 70000), {}) == error::invalid_pattern);
    CHECK(fails(port_pattern::block(0), {}) == error::invalid_pattern);
    CHECK(fails(port_pattern::block(70000), {}) == error::invalid_pattern);
    CHECK(fails(port_pattern(2).from_multiple_of(0), {}) == error::invalid_pattern);
    CHECK(fails(2, {.transports = transports(0)}) == error::invalid_transports);
    CHECK(fails(2, {.transports = transports(4)}) == error::invalid_transports);
    CHECK(fails(2, {.families = families(0)}) == error::invalid_families);
    CHECK(fails(2, {.addresses = v6, .families = families::v4}) ==
          error::invalid_families);
    CHECK_THROWS_WITH(
        berth::find_unused_ports(port_pattern::block(11),
                                 {.transports = transports::both, .ports = ten}),
        ContainsSubstring("find_unused_ports") && ContainsSubstring("40000-40009") &&
            ContainsSubstring("11") && ContainsSubstring("UDP"));
}

TEST_CASE("the mode of a lease is that of all its holders", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    auto lease = berth::find_unused_port(
        {.transports = transports::both, .mode = lease_mode::sealed, .backend = which});
    const auto port = lease.port();
    const auto lets_in = [&](auto protocol) {
        asio::io_context context;
        typename decltype(protocol)::socket server(context, protocol);
        server.set_option(asio::socket_base::reuse_address(true));
        std::error_code ec;
        server.bind({v4, port}, ec);
        return !ec;
    };
    CHECK(!lets_in(tcp::v4()));
    CHECK(!lets_in(udp::v4()));
    lease.open();
    CHECK(lets_in(tcp::v4()));
    CHECK(lets_in(udp::v4()));
    lease.seal();
    CHECK(!lets_in(tcp::v4()));
    CHECK(!lets_in(udp::v4()));
}

TEST_CASE("an acceptor leaves the lease what else it holds", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    auto lease =
        berth::find_unused_port({.transports = transports::both, .backend = which});
    const auto port = lease.port();
    const lease_mode mode = lease.mode();
    auto acceptor = std::move(lease).listen(context.get_executor());
    CHECK(lease.mode() == mode);
    CHECK(acceptor.local_endpoint().port() == port);
    REQUIRE(lease.valid());
    CHECK(lease.port() == port);
    CHECK(is_held<udp>(v4, port));
    std::error_code ec;
    (void)std::move(lease).listen(context.get_executor(), 1, ec);
    CHECK(ec == berth::error::not_tcp);
    CHECK(lease.release() == port);
    CHECK(is_held<tcp>(v4, port));
}

TEST_CASE("several ports are found in each form", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    std::vector<port_lease> by_handler;
    std::vector<port_lease> by_coroutine;
    berth::async_find_unused_ports(
        context.get_executor(), 3, {.backend = which},
        [&](std::error_code ec, std::vector<port_lease> found) {
            CHECK(!ec);
            by_handler = std::move(found);
        });
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            by_coroutine = co_await berth::co_find_unused_ports(
                port_pattern::offsets(0, 2, 5),
                {.addresses = {v4}, .transports = transports::both, .backend = which});
        },
        [](std::exception_ptr failure) {
            if (failure)
                std::rethrow_exception(failure);
        });
    context.run();
    CHECK(by_handler.size() == 3);
    REQUIRE(by_coroutine.size() == 3);
    CHECK(by_coroutine[2].port() == by_coroutine[0].port() + 5);
    CHECK(is_held<udp>(v4, by_coroutine[2].port()));
}

TEST_CASE("a holder of UDP takes no datagram from the server beside it", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    const auto lease =
        berth::find_unused_port({.transports = transports::udp, .backend = which});
    asio::io_context context;
    for (const auto& address : {v4, v6}) {
        if (address.is_v6() && !have_ipv6())
            continue;
        const udp::endpoint there(address, lease.port());
        udp::socket client(context, udp::endpoint(there.protocol(), 0));
        udp::socket server(context, there.protocol());
        server.set_option(asio::socket_base::reuse_address(true));
        server.bind(there);
        for (std::uint32_t i = 0; i < 100; ++i) {
            client.send_to(asio::buffer(&i, sizeof(i)), there);
            std::uint32_t received = 0;
            udp::endpoint from;
            server.receive_from(asio::buffer(&received, sizeof(received)), from);
            CHECK(received == i);
        }
    }
}
