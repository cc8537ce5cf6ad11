// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "process.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

// The two helpers that everybody copies, bind_port() and find_unused_port() of CPython's
// Lib/test/support/socket_helper.py: what their documentation promises holds here too.

using asio::ip::address;
using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::tcp;
using asio::ip::udp;
using berth::port_lease;
using namespace berth::testing;

namespace {

bool here(const std::string& text)
{
    return std::ranges::count(host_addresses(), text) != 0;
}

/// localhost in both families, as far as this host has them.
std::vector<address> localhost()
{
    std::vector<address> all = {address_v4::loopback()};
    if (here("::1"))
        all.push_back(address_v6::loopback());
    else
        note_skip("no IPv6 on this host: IPv4 alone was tested");
    return all;
}

template <class Protocol>
Protocol family_of(const address& at)
{
    return at.is_v6() ? Protocol::v6() : Protocol::v4();
}

template <class Socket>
int option_of(Socket& socket, int option)
{
    int value = -1;
    socklen_t size = sizeof(value);
    REQUIRE(::getsockopt(socket.native_handle(), SOL_SOCKET, option, &value, &size) == 0);
    return value;
}

template <class Socket>
void set_option(Socket& socket, int option)
{
    const int on = 1;
    REQUIRE(::setsockopt(socket.native_handle(), SOL_SOCKET, option, &on, sizeof(on)) ==
            0);
}

template <class Socket>
void check_binds(const address& at)
{
    asio::io_context context;
    Socket socket(context);
    socket.open(family_of<typename Socket::protocol_type>(at));
    const std::uint16_t port = berth::bind_ephemeral(socket, at);
    CHECK(port != 0);
    CHECK(socket.local_endpoint().port() == port);
    CHECK(socket.local_endpoint().address() == at);
    CHECK(berth::port_range::system_ephemeral().contains(port));
}

/// A TCP socket with the option is refused, by all forms, and left as it was.
template <class Socket>
void check_refused(const address& at, int option, berth::error why)
{
    asio::io_context context;
    Socket socket(context);
    socket.open(family_of<tcp>(at));
    set_option(socket, option);

    std::error_code ec;
    CHECK(berth::bind_ephemeral(socket, at, ec) == 0);
    CHECK(ec == why);
    try {
        (void)berth::bind_ephemeral(socket, at);
        FAIL("no exception");
    } catch (const std::system_error& e) {
        CHECK(e.code() == why);
        CHECK_THAT(e.what(), ContainsSubstring(option == SO_REUSEADDR ? "SO_REUSEADDR"
                                                                      : "SO_REUSEPORT"));
    }
    ec.clear();
    std::uint16_t port = 1;
    berth::async_bind_ephemeral(socket, at,
                                [&](const std::error_code& e, std::uint16_t p) {
                                    ec = e;
                                    port = p;
                                });
    context.run();
    CHECK(ec == why);
    CHECK(port == 0);

    CHECK(socket.is_open());
    CHECK(option_of(socket, option) == 1);
    CHECK(socket.local_endpoint().port() == 0);
}

/// Starts a server with a number, and asks it.
void expect_served(std::uint16_t port, reuse options)
{
    const foreign_server server("127.0.0.1", port, options);
    expect_equal(server.start(), "ok", "a server with " + to_string(options));
    expect_equal(ask("127.0.0.1", port), server.secret(), "what a client is told");
}

} // namespace

TEST_CASE("bind_port() returns the port to which it bound the socket",
          "[linux][bind_port_original]")
{
    for (const address& at : localhost()) {
        INFO(at);
        check_binds<tcp::socket>(at);
        check_binds<tcp::acceptor>(at);
        check_binds<udp::socket>(at);
    }
}

TEST_CASE("bind_port() refuses TCP sockets with SO_REUSEADDR or SO_REUSEPORT",
          "[linux][bind_port_original]")
{
    for (const address& at : localhost()) {
        INFO(at);
        check_refused<tcp::socket>(at, SO_REUSEADDR, berth::error::reuse_address_set);
        check_refused<tcp::acceptor>(at, SO_REUSEADDR, berth::error::reuse_address_set);
        check_refused<tcp::socket>(at, SO_REUSEPORT, berth::error::reuse_port_set);
        check_refused<tcp::acceptor>(at, SO_REUSEPORT, berth::error::reuse_port_set);
    }
}

TEST_CASE("bind_port() accepts UDP sockets with SO_REUSEADDR or SO_REUSEPORT",
          "[linux][bind_port_original]")
{
    for (const address& at : localhost())
        for (const int option : {SO_REUSEADDR, SO_REUSEPORT}) {
            INFO(at);
            asio::io_context context;
            udp::socket socket(context, family_of<udp>(at));
            set_option(socket, option);
            const std::uint16_t port = berth::bind_ephemeral(socket, at);
            CHECK(port != 0);
            CHECK(socket.local_endpoint().port() == port);
            CHECK(option_of(socket, option) == 1);
        }
}

TEST_CASE("bind_port() sets no option of the socket", "[linux][bind_port_original]")
{
    asio::io_context context;
    for (const address& at : localhost()) {
        tcp::acceptor acceptor(context, family_of<tcp>(at));
        (void)berth::bind_ephemeral(acceptor, at);
        CHECK(option_of(acceptor, SO_REUSEADDR) == 0);
        CHECK(option_of(acceptor, SO_REUSEPORT) == 0);
        CHECK(option_of(acceptor, SO_ACCEPTCONN) == 0);
        acceptor.listen();
        CHECK(try_connect(at.to_string(), acceptor.local_endpoint().port()) == "ok");
    }
}

TEST_CASE("a port from bind_port() belongs to nobody else while the socket lives",
          "[linux][bind_port_original]")
{
    asio::io_context context;
    for (const address& at : localhost()) {
        tcp::acceptor acceptor(context, family_of<tcp>(at));
        const std::uint16_t port = berth::bind_ephemeral(acceptor, at);
        const std::string text = at.to_string();
        BERTH_PASSES(in_process([&] {
            for (const reuse options : every_reuse)
                expect_equal(try_bind(text, port, options), "EADDRINUSE",
                             "bind() with " + to_string(options));
        }));
        acceptor.listen();
        BERTH_PASSES(in_process([&] {
            for (const reuse options : every_reuse)
                expect_equal(try_bind(text, port, options), "EADDRINUSE",
                             "bind() with " + to_string(options));
        }));
    }
}

TEST_CASE("repeated calls of bind_port() give different ports",
          "[linux][bind_port_original]")
{
    for (const address& at : localhost()) {
        asio::io_context context;
        std::set<std::uint16_t> tcp_ports;
        std::set<std::uint16_t> udp_ports;
        std::vector<tcp::socket> tcp_sockets;
        std::vector<udp::socket> udp_sockets;
        for (int i = 0; i < 100; ++i) {
            tcp_sockets.emplace_back(context, family_of<tcp>(at));
            CHECK(tcp_ports.insert(berth::bind_ephemeral(tcp_sockets.back(), at)).second);
            udp_sockets.emplace_back(context, family_of<udp>(at));
            CHECK(udp_ports.insert(berth::bind_ephemeral(udp_sockets.back(), at)).second);
        }
    }
}

TEST_CASE("find_unused_port() gives a number that a server binds when it is given back",
          "[linux][bind_port_original]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (int i = 0; i < 10; ++i)
            expect_served(berth::find_unused_port({.backend = which}).release(),
                          reuse::nothing);
    }));
}

TEST_CASE("find_unused_port() gives a number that a reusing server can bind at once",
          "[linux][bind_port_original]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (const reuse options : {reuse::address, reuse::port, reuse::both}) {
            const port_lease lease = berth::find_unused_port({.backend = which});
            expect_served(lease.port(), options);
            expect_served(lease.port(), options);
        }
    }));
}

TEST_CASE("find_unused_port() gives a number that is unused on every address",
          "[linux][bind_port_original]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (const std::string& text : host_addresses()) {
            const auto port = berth::find_unused_port({.backend = which}).release();
            expect_equal(try_bind(text, port, reuse::nothing), "ok", text);
        }
    }));
}

TEST_CASE("repeated calls of find_unused_port() give different numbers, held or not",
          "[linux][bind_port_original]")
{
    BERTH_EACH_BACKEND(which);
    std::set<std::uint16_t> ports;
    std::vector<port_lease> leases;
    for (int i = 0; i < 100; ++i) {
        leases.push_back(berth::find_unused_port({.backend = which}));
        CHECK(ports.insert(leases.back().port()).second);
        CHECK(ports.insert(berth::find_unused_port({.backend = which}).release()).second);
    }
}
