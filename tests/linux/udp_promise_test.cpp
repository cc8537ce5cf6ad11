// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "process.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <set>
#include <vector>

// What a lease on UDP promises, row by row, from another process.

using asio::ip::udp;
using berth::lease_mode;
using berth::port_range;
using berth::transports;
using namespace berth::testing;

namespace {

constexpr port_range narrow = {40000, 40007};

/// A UDP socket of somebody who has never heard of berth.
udp::socket open_udp(asio::io_context& context, const std::string& address, reuse options)
{
    udp::socket socket(context,
                       asio::ip::make_address(address).is_v6() ? udp::v6() : udp::v4());
    const int on = 1;
    if (options == reuse::address || options == reuse::both)
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (options == reuse::port || options == reuse::both)
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    return socket;
}

std::string bind_udp(udp::socket& socket, const std::string& address, std::uint16_t port)
{
    std::error_code ec;
    socket.bind({asio::ip::make_address(address), port}, ec);
    return ec ? error_name(ec.value()) : "ok";
}

std::string try_bind_udp(const std::string& address, std::uint16_t port, reuse options)
{
    asio::io_context context;
    udp::socket socket = open_udp(context, address, options);
    return bind_udp(socket, address, port);
}

/// The ports that bind() to port 0 gives, kept, until it has no more or repeats itself.
std::set<std::uint16_t> exhaust_udp(const std::string& address, reuse options)
{
    asio::io_context context;
    std::vector<udp::socket> kept;
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 200; ++i) {
        udp::socket socket = open_udp(context, address, options);
        if (bind_udp(socket, address, 0) != "ok")
            break;
        ports.insert(socket.local_endpoint().port());
        kept.push_back(std::move(socket));
    }
    return ports;
}

} // namespace

#define BERTH_EACH_UDP_LEASE(mode, which)                                                \
    const lease_mode mode = GENERATE(lease_mode::open, lease_mode::sealed);              \
    const auto wanted = GENERATE(transports::udp, transports::both);                     \
    BERTH_EACH_BACKEND(which);                                                           \
    INFO((mode == lease_mode::open ? "open" : "sealed"))

TEST_CASE("bind() to port 0 without SO_REUSEADDR never gives the port of a UDP lease",
          "[linux][promise]")
{
    BERTH_EACH_UDP_LEASE(mode, which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const auto lease = berth::find_unused_port(
            {.transports = wanted, .mode = mode, .backend = which});
        elsewhere([&] {
            for (const std::string& address : host_addresses())
                for (const reuse options : every_reuse) {
                    // Any number of sockets with SO_REUSEADDR share a port, an open lease too.
                    const bool may_share =
                        mode == lease_mode::open &&
                        (options == reuse::address || options == reuse::both);
                    const auto ports = exhaust_udp(address, options);
                    if (!may_share)
                        expect(!ports.contains(lease.port()),
                               address + " with " + to_string(options));
                }
        });
    }));
}

TEST_CASE("connect() never gives the port of a UDP lease as the source port",
          "[linux][promise]")
{
    BERTH_EACH_UDP_LEASE(mode, which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const auto lease = berth::find_unused_port(
            {.transports = wanted, .mode = mode, .backend = which});
        elsewhere([&] {
            asio::io_context context;
            std::vector<udp::socket> kept;
            for (int i = 0; i < 20; ++i) {
                udp::socket client(context, udp::v4());
                std::error_code ec;
                client.connect({asio::ip::address_v4::loopback(), 9}, ec);
                if (ec)
                    break;
                expect(client.local_endpoint().port() != lease.port(), "the source port");
                kept.push_back(std::move(client));
            }
            expect_equal(kept.size(), 7U, "clients until there is no port left");
        });
    }));
}

TEST_CASE("who binds the number of a UDP lease needs SO_REUSEADDR and an open lease",
          "[linux][promise]")
{
    BERTH_EACH_UDP_LEASE(mode, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const auto lease = berth::find_unused_port(
            {.transports = wanted, .mode = mode, .backend = which});
        elsewhere([&] {
            for (const std::string& address : host_addresses())
                for (const reuse options : every_reuse) {
                    const bool let_in =
                        mode == lease_mode::open &&
                        (options == reuse::address || options == reuse::both);
                    expect_equal(try_bind_udp(address, lease.port(), options),
                                 let_in ? "ok" : "EADDRINUSE",
                                 address + " with " + to_string(options));
                }
        });
    }));
}

TEST_CASE("nothing else of berth's is given the number of a UDP lease",
          "[linux][promise]")
{
    BERTH_EACH_UDP_LEASE(mode, which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const auto lease = berth::find_unused_port(
            {.transports = wanted, .mode = mode, .backend = which});
        elsewhere([&] {
            asio::io_context context;
            const port_range only_it{lease.port(), lease.port()};
            std::error_code ec;
            (void)berth::find_unused_port(
                {.transports = transports::udp, .ports = only_it, .backend = which}, ec);
            expect(ec == berth::error::ports_exhausted, "a lease");
            for (const std::string& address : host_addresses()) {
                (void)berth::bind_ephemeral<udp>(
                    context.get_executor(),
                    {.address = asio::ip::make_address(address),
                     .ports = only_it,
                     .backend = which},
                    ec);
                expect(ec == berth::error::ports_exhausted, "a socket on " + address);
            }
        });
    }));
}

TEST_CASE("datagrams reach only the server on an open lease", "[linux][promise]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const auto lease =
            berth::find_unused_port({.transports = transports::udp, .backend = which});
        elsewhere([&] {
            asio::io_context context;
            for (const std::string& address : host_addresses()) {
                udp::socket server = open_udp(context, address, reuse::address);
                expect_equal(bind_udp(server, address, lease.port()), "ok", address);
                for (const std::string& way : ways_to(address)) {
                    const auto there = asio::ip::make_address(way);
                    udp::socket client(context, there.is_v6() ? udp::v6() : udp::v4());
                    for (char sent = 0; sent < 100; ++sent) {
                        client.send_to(asio::buffer(&sent, 1), {there, lease.port()});
                        char received = -1;
                        udp::endpoint from;
                        server.receive_from(asio::buffer(&received, 1), from);
                        expect_equal(int(received), int(sent), "the datagram");
                    }
                }
            }
        });
    }));
}
