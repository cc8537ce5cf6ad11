// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "child.hpp"
#include "descriptors.hpp"
#include "process.hpp"
#include "sockets.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <set>
#include <thread>
#include <vector>

// Several ports, and several sockets on one: all or nothing, counted in a network of one's own.

using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::tcp;
using asio::ip::udp;
using berth::families;
using berth::find_options;
using berth::port_lease;
using berth::port_pattern;
using berth::port_range;
using berth::transports;
using namespace berth::testing;

namespace {

constexpr port_range narrow = {44000, 44031};

int how_many_free(port_range range)
{
    int count = 0;
    for (std::uint32_t port = range.first; port <= range.last; ++port) {
        const auto number = static_cast<std::uint16_t>(port);
        bool is_taken = false;
        for (const asio::ip::address& address :
             {asio::ip::address(address_v4::any()), asio::ip::address(address_v6::any())})
            is_taken = is_taken || bind_plainly<tcp>(address, number) ||
                       bind_plainly<udp>(address, number);
        count += is_taken ? 0 : 1;
    }
    return count;
}

} // namespace

TEST_CASE("every port and descriptor comes back", "[linux][sets]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        (void)berth::find_unused_port({.backend = which});
        const std::size_t descriptors = open_descriptors();
        for (const auto wanted : {transports::tcp, transports::udp, transports::both}) {
            for (const port_pattern& pattern :
                 {port_pattern(32), port_pattern(7), port_pattern::block(32),
                  port_pattern::offsets(0, 1).from_multiple_of(2)}) {
                for (int i = 0; i < 20; ++i) {
                    const auto leases = berth::find_unused_ports(
                        pattern, {.transports = wanted, .backend = which});
                    expect_equal(leases.size(), pattern.size(), "leases");
                    expect_equal(how_many_free(narrow), 32 - int(pattern.size()),
                                 "ports that are free meanwhile");
                }
            }
        }
        expect_equal(how_many_free(narrow), 32, "ports that are free afterwards");
        expect_equal(open_descriptors(), descriptors, "descriptors");
    }));
}

TEST_CASE("a set that cannot be had leaves nothing behind", "[linux][sets]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        // Every third port has a stranger on UDP: no four are left in a row.
        asio::io_context context;
        std::vector<udp::socket> strangers;
        for (std::uint32_t port = narrow.first; port <= narrow.last; port += 3)
            strangers.emplace_back(
                context, udp::endpoint(address_v4::loopback(), std::uint16_t(port)));
        const int free = how_many_free(narrow);
        const std::size_t descriptors = open_descriptors();
        std::error_code ec;
        const auto fails = [&](const port_pattern& pattern, const find_options& options) {
            for (int i = 0; i < 10; ++i) {
                const auto leases = berth::find_unused_ports(pattern, options, ec);
                expect(leases.empty() && ec == berth::error::ports_exhausted,
                       "the request: " + ec.message());
            }
            expect_equal(how_many_free(narrow), free, "ports that are free afterwards");
        };
        const find_options both{.transports = transports::both, .backend = which};
        fails(port_pattern::block(4), both);
        fails(port_pattern::offsets(0, 1, 2), both);
        fails(std::size_t(free) + 1, both);
        expect_equal(berth::find_unused_ports(std::size_t(free), both).size(),
                     std::size_t(free), "leases");
        expect_equal(berth::find_unused_ports(port_pattern::block(2), both).size(), 2U,
                     "leases in a row");
        expect_equal(open_descriptors(), descriptors, "descriptors");
    }));
}

TEST_CASE("a pattern goes around what is taken, and begins with what is preferred",
          "[linux][sets]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        constexpr std::uint16_t first = 44010;
        const find_options here{.ports = port_range{first, first + 3}, .backend = which};
        const auto third = berth::find_unused_port(
            {.ports = port_range{first + 2, first + 2}, .backend = which});
        const auto pair = berth::find_unused_ports(port_pattern::block(2), here);
        expect_equal(pair[0].port(), first, "the first of the pair");
        expect_equal(pair[1].port(), first + 1, "the second");
        std::error_code ec;
        expect(berth::find_unused_ports(2, here, ec).empty(), "two of one");
        expect(ec == berth::error::ports_exhausted, "two of one: " + ec.message());
        expect_equal(berth::find_unused_ports(1, here)[0].port(), first + 3, "the last");

        for (const port_pattern& pattern : {port_pattern(3), port_pattern::block(3)}) {
            const auto found =
                berth::find_unused_ports(pattern, {.preferred = 44020, .backend = which});
            expect_equal(found[0].port(), 44020, "the preferred");
            const auto other =
                berth::find_unused_ports(pattern, {.preferred = 44020, .backend = which});
            expect(other[0].port() != 44020, "the preferred, where it is taken");
        }
    }));
}

TEST_CASE("a failure halfway takes back what was had", "[linux][sets]")
{
    BERTH_PASSES(in_network(narrow, [&] {
        const auto which = berth::backend::syscalls;
        (void)berth::find_unused_port({.backend = which});
        const std::size_t descriptors = open_descriptors();
        for (rlim_t left = 0; left < 40; ++left) {
            rlimit before = {};
            ::getrlimit(RLIMIT_NOFILE, &before);
            rlimit tight = before;
            tight.rlim_cur = std::min<rlim_t>(before.rlim_cur, descriptors + left);
            ::setrlimit(RLIMIT_NOFILE, &tight);
            std::error_code ec;
            const std::size_t found =
                berth::find_unused_ports(
                    10, {.transports = transports::both, .backend = which}, ec)
                    .size();
            ::setrlimit(RLIMIT_NOFILE, &before);
            expect((found == 10 && !ec) ||
                       (found == 0 && ec == std::errc::too_many_files_open),
                   "with " + std::to_string(left) + " descriptors: " + ec.message());
            expect_equal(open_descriptors(), descriptors, "descriptors");
        }
        expect_equal(how_many_free(narrow), 32, "ports that are free afterwards");
    }));
}

TEST_CASE("a client that comes before the server of UDP is refused", "[linux][sets]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        asio::io_context context;
        const auto lease =
            berth::find_unused_port({.transports = transports::udp, .backend = which});
        for (const asio::ip::address& address :
             {asio::ip::address(address_v4::loopback()),
              asio::ip::address(address_v6::loopback())}) {
            udp::socket client(context);
            client.connect({address, lease.port()});
            client.send(asio::buffer("?", 1));
            char answer = 0;
            std::error_code ec;
            (void)client.receive(asio::buffer(&answer, 1), 0, ec);
            expect(ec.value() == ECONNREFUSED, "the client: " + ec.message());
        }
    }));
}

TEST_CASE("a family that the host lacks is absent, not busy", "[linux][sets]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << "1\n";
        std::ofstream("/proc/sys/net/ipv6/conf/lo/disable_ipv6") << "1\n";
        // What is known of the system was read before: another process asks anew.
        elsewhere([&] {
            std::error_code ec;
            const auto lease = berth::find_unused_port(
                {.transports = transports::both, .backend = which}, ec);
            expect(!ec, "both families: " + ec.message());
            expect(bool(bind_plainly<udp>(address_v4::loopback(), lease.port())),
                   "UDP is held");
            (void)berth::find_unused_port({.transports = transports::udp,
                                           .families = families::v6,
                                           .backend = which},
                                          ec);
            expect(ec == std::errc::address_not_available, "IPv6 alone: " + ec.message());
        });
    }));
}

TEST_CASE("processes that ask for more than half of the ports are all served in the end",
          "[linux][sets]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        std::vector<std::unique_ptr<child>> others;
        for (int i = 0; i < 4; ++i)
            others.push_back(std::make_unique<child>([&](channel& parent) {
                end_with_parent();
                for (int round = 0; round < 25; ++round) {
                    std::error_code ec;
                    const auto leases =
                        berth::find_unused_ports(20,
                                                 {.transports = transports::both,
                                                  .wait = std::chrono::seconds(60),
                                                  .backend = which},
                                                 ec);
                    if (leases.size() != 20) {
                        parent.say(ec.message());
                        return;
                    }
                }
                parent.say("served");
            }));
        for (const auto& one : others)
            expect_equal(one->line().hear(), "served", "a process");
        for (const auto& one : others)
            expect(one->wait(), "it ends well");
        expect(eventually([] { return how_many_free(narrow) == 32; }),
               "every port is free afterwards");
    }));
}

TEST_CASE("threads that ask for sets are given no port twice", "[linux][sets]")
{
    BERTH_EACH_BACKEND(which);
    constexpr port_range wide = {44000, 44199};
    BERTH_PASSES(in_network(wide, [&] {
        need(which);
        std::atomic<int> twice = 0;
        std::atomic<int> found = 0;
        std::array<std::atomic<int>, 65536> held = {};
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (unsigned i = 0; i < 60; ++i) {
                    std::error_code ec;
                    const port_pattern pattern = i % 3 == 0 ? port_pattern(1 + i % 60)
                                                 : i % 3 == 1
                                                     ? port_pattern::block(1 + i % 9)
                                                     : port_pattern::offsets(0, 10);
                    const auto leases = berth::find_unused_ports(
                        pattern,
                        {.transports =
                             (i + t) % 2 != 0 ? transports::both : transports::tcp,
                         .backend = which},
                        ec);
                    if (ec && ec != berth::error::ports_exhausted)
                        ++twice;
                    for (const port_lease& lease : leases)
                        twice += held[lease.port()]++ != 0 ? 1 : 0;
                    found += leases.empty() ? 0 : 1;
                    for (const port_lease& lease : leases)
                        --held[lease.port()];
                }
            });
        for (std::thread& one : threads)
            one.join();
        expect_equal(twice.load(), 0, "ports given twice, or errors");
        expect(found.load() > 0, "some are found");
        expect_equal(how_many_free(wide), 200, "ports that are free afterwards");
    }));
}
