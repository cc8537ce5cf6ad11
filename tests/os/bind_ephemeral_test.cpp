// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/bind_ephemeral.hpp>
#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/v6_only.hpp>

#include <set>
#include <vector>

using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::make_address;
using asio::ip::tcp;
using asio::ip::udp;
using berth::port_range;
using namespace berth::testing;

TEST_CASE("an acceptor listens on loopback, on a port of the ephemeral range", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    auto acceptor = berth::bind_ephemeral(context.get_executor(), {.backend = which});
    CHECK(acceptor.local_endpoint().address() == address_v4::loopback());
    CHECK(is_ephemeral(acceptor.local_endpoint().port()));
    auto [client, accepted] = connect_through(acceptor, address_v4::loopback());
    CHECK(client.local_endpoint() == accepted.remote_endpoint());
}

TEST_CASE("an acceptor carries no reuse option, and nobody joins it", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    auto acceptor = berth::bind_ephemeral(context.get_executor(), {.backend = which});
    asio::socket_base::reuse_address reuse;
    acceptor.get_option(reuse);
    CHECK(!reuse.value());
    CHECK_THROWS_AS(tcp::acceptor(context, acceptor.local_endpoint()), std::system_error);
}

TEST_CASE("an acceptor on [::] takes IPv4 and IPv6", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    auto acceptor = berth::bind_ephemeral(
        context.get_executor(), {.address = address_v6::any(), .backend = which});
    CHECK(connect_through(acceptor, address_v4::loopback()).first.is_open());
    CHECK(connect_through(acceptor, address_v6::loopback()).first.is_open());
}

TEST_CASE("an acceptor that does not listen is a dead port", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    auto acceptor = berth::bind_ephemeral(context.get_executor(),
                                          {.listen = false, .backend = which});
    const auto port = acceptor.local_endpoint().port();
    CHECK(connect_to(address_v4::loopback(), port) == std::errc::connection_refused);
    CHECK(bind_plainly<tcp>(address_v4::loopback(), port) == std::errc::address_in_use);
    acceptor.listen();
    CHECK(!connect_to(address_v4::loopback(), port));
}

TEST_CASE("a UDP socket is bound where it is asked for", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const asio::ip::address address =
        GENERATE(as<asio::ip::address>(), address_v4::loopback(), address_v6::loopback());
    INFO(address.to_string());
    asio::io_context context;
    auto one = berth::bind_ephemeral<udp>(context.get_executor(),
                                          {.address = address, .backend = which});
    auto other = berth::bind_ephemeral<udp>(context.get_executor(),
                                            {.address = address, .backend = which});
    REQUIRE(one.local_endpoint().address() == address);
    REQUIRE(one.local_endpoint() != other.local_endpoint());

    one.send_to(asio::buffer("x", 1), other.local_endpoint());
    char received = 0;
    udp::endpoint from;
    CHECK(other.receive_from(asio::buffer(&received, 1), from) == 1);
    CHECK(from == one.local_endpoint());
}

TEST_CASE("the port is free when the acceptor is closed", "[os]")
{
    BERTH_EACH_BACKEND(which);
    bool seen = false;
    for (int i = 0; i < 50 && !seen; ++i) {
        asio::io_context context;
        auto acceptor = berth::bind_ephemeral(context.get_executor(), {.backend = which});
        const auto port = acceptor.local_endpoint().port();
        acceptor.close();
        seen = is_free(port); // unless another process was given it meanwhile
    }
    CHECK(seen);
}

TEST_CASE("acceptors that are open together have different ports", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    std::vector<tcp::acceptor> acceptors;
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 200; ++i) {
        acceptors.push_back(
            berth::bind_ephemeral(context.get_executor(), {.backend = which}));
        ports.insert(acceptors.back().local_endpoint().port());
    }
    CHECK(ports.size() == 200);
}

TEST_CASE("errors of binding name what was asked for and leave nothing open", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    std::error_code ec;

    const auto missing = make_address("192.0.2.1"); // for documentation, RFC 5737
    CHECK(
        !berth::bind_ephemeral(ex, {.address = missing, .backend = which}, ec).is_open());
    CHECK(ec == std::errc::address_not_available);
    CHECK_THROWS_WITH(berth::bind_ephemeral(ex, {.address = missing, .backend = which}),
                      ContainsSubstring("192.0.2.1"));

    const auto blocker = berth::find_unused_port({.backend = which});
    const port_range range{blocker.port(), blocker.port()};
    CHECK(
        !berth::bind_ephemeral<udp>(ex, {.ports = port_range{9, 8}, .backend = which}, ec)
             .is_open());
    CHECK(ec == berth::error::invalid_range);
    CHECK(!berth::bind_ephemeral(ex, {.ports = range, .backend = which}, ec).is_open());
    CHECK(is_exhausted(ec));
}

TEST_CASE("a socket of one's own keeps its options and gets a port", "[os]")
{
    asio::io_context context;
    udp::socket socket(context, udp::v6());
    socket.set_option(asio::ip::v6_only(true));
    socket.set_option(asio::socket_base::receive_buffer_size(32768));
    asio::socket_base::receive_buffer_size before;
    socket.get_option(before);

    const auto port = berth::bind_ephemeral(socket, address_v6::loopback());
    CHECK(socket.local_endpoint() == udp::endpoint(address_v6::loopback(), port));
    asio::socket_base::receive_buffer_size after;
    socket.get_option(after);
    CHECK(after.value() == before.value());
    asio::ip::v6_only only;
    socket.get_option(only);
    CHECK(only.value());
}

TEST_CASE("an acceptor or a TCP socket of one's own gets a port", "[os]")
{
    asio::io_context context;
    tcp::acceptor acceptor(context, tcp::v4());
    const auto port = berth::bind_ephemeral(acceptor, address_v4::loopback());
    CHECK(acceptor.local_endpoint().port() == port);
    acceptor.listen();
    CHECK(connect_through(acceptor, address_v4::loopback()).first.is_open());

    tcp::socket client(context, tcp::v4());
    const auto source = berth::bind_ephemeral(client, address_v4::loopback());
    client.connect(acceptor.local_endpoint());
    CHECK(client.local_endpoint().port() == source);
}

TEST_CASE("a TCP socket with SO_REUSEADDR is refused, and left as it was", "[os]")
{
    asio::io_context context;
    tcp::acceptor acceptor(context, tcp::v4());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    std::error_code ec;
    CHECK(berth::bind_ephemeral(acceptor, address_v4::loopback(), ec) == 0);
    CHECK(ec == berth::error::reuse_address_set);
    CHECK_THROWS_WITH(berth::bind_ephemeral(acceptor, address_v4::loopback()),
                      ContainsSubstring("SO_REUSEADDR") &&
                          ContainsSubstring("127.0.0.1"));
    asio::socket_base::reuse_address still;
    acceptor.get_option(still);
    CHECK(still.value());
    CHECK(port_of(acceptor) == 0);
}

TEST_CASE("a UDP socket with SO_REUSEADDR is not refused", "[os]")
{
    asio::io_context context;
    udp::socket socket(context, udp::v4());
    socket.set_option(asio::socket_base::reuse_address(true));
    CHECK(berth::bind_ephemeral(socket, address_v4::loopback()) != 0);
}

TEST_CASE("a socket of one's own that cannot be bound says why", "[os]")
{
    asio::io_context context;
    std::error_code ec;

    tcp::socket closed(context);
    CHECK(berth::bind_ephemeral(closed, address_v4::loopback(), ec) == 0);
    CHECK(ec == std::errc::bad_file_descriptor);

    udp::socket bound(context, udp::endpoint(address_v4::loopback(), 0));
    CHECK(berth::bind_ephemeral(bound, address_v4::loopback(), ec) == 0);
    CHECK(ec == std::errc::invalid_argument);

    tcp::socket elsewhere(context, tcp::v4());
    CHECK(berth::bind_ephemeral(elsewhere, make_address("192.0.2.1"), ec) == 0);
    CHECK(ec == std::errc::address_not_available);
    CHECK(berth::bind_ephemeral(elsewhere, address_v4::loopback(), ec) != 0);
    CHECK(!ec);
}
