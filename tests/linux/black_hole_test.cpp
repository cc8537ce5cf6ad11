// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "descriptors.hpp"
#include "process.hpp"
#include "sockets.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

// What the kernel does with those that come to a black hole.

using berth::backend;
using berth::black_hole;
using berth::port_range;
using namespace berth::testing;

namespace {

constexpr port_range narrow = {44000, 44031};

void warm_up(backend which)
{
    need(which);
    const black_hole hole = berth::bind_black_hole({.backend = which});
}

/// How many SYNs this network has dropped because a queue was full.
unsigned long dropped()
{
    std::ifstream file("/proc/net/netstat");
    for (std::string names, numbers;
         std::getline(file, names) && std::getline(file, numbers);) {
        std::istringstream name(names);
        std::istringstream number(numbers);
        for (std::string key, value; name >> key && number >> value;)
            if (key == "ListenOverflows")
                return std::stoul(value);
    }
    throw not_possible_here("the kernel does not count ListenOverflows");
}

} // namespace

TEST_CASE("a black hole drops what comes, whatever the network's settings", "[linux]")
{
    BERTH_EACH_BACKEND(which);
    const std::string setting =
        GENERATE("tcp_abort_on_overflow 0", "tcp_abort_on_overflow 1", "tcp_syncookies 0",
                 "tcp_syncookies 2");
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const std::size_t space = setting.find(' ');
        write_network_setting(setting.substr(0, space), setting.substr(space + 1));
        const black_hole hole = berth::bind_black_hole({.backend = which});
        asio::io_context context;
        bool answered = false;
        const unsigned long before = dropped();
        std::vector<asio::ip::tcp::socket> clients;
        for (unsigned i = 1; i <= 10; ++i) {
            clients.emplace_back(context);
            clients.back().async_connect(hole.endpoint(),
                                         [&](std::error_code) { answered = true; });
            expect(eventually([&] { return dropped() >= before + i; }),
                   "a SYN is dropped");
        }
        context.poll();
        expect(!answered, "nobody is answered");
    }));
}

TEST_CASE("a black hole keeps every server away", "[linux]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const black_hole hole = berth::bind_black_hole({.backend = which});
        elsewhere([&] {
            for (const std::string address : {"127.0.0.1", "0.0.0.0", "::"})
                for (const reuse options : every_reuse)
                    expect_equal(try_bind(address, hole.port(), options), "EADDRINUSE",
                                 address + ", " + to_string(options));
        });
    }));
}

TEST_CASE("a black hole leaves nothing behind", "[linux]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        const std::size_t before = open_descriptors();
        // Its port and that of its own connection, at once and without a reuse option.
        for (int i = 0; i < 200; ++i) {
            const black_hole hole = berth::bind_black_hole({.backend = which});
            expect_equal(open_descriptors(), before + 2, "descriptors");
        }
        expect_equal(open_descriptors(), before, "descriptors after it");
        for (unsigned port = narrow.first; port <= narrow.last; ++port)
            expect(berth::find_port_owner(static_cast<std::uint16_t>(port)).state ==
                       berth::port_state::free,
                   "port " + std::to_string(port) + " is free");
    }));
}

TEST_CASE("a black hole that was never taken leaves nothing behind", "[linux]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        const std::size_t before = open_descriptors();
        {
            asio::io_context context;
            for (int i = 0; i < 3; ++i)
                berth::async_bind_black_hole(context.get_executor(), {.backend = which},
                                             [](std::error_code, const black_hole&) {});
            context.run_one();
        }
        expect_equal(open_descriptors(), before, "descriptors");
    }));
}

TEST_CASE("without a descriptor for its own connection there is no black hole", "[linux]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        const std::size_t before = open_descriptors();
        {
            const int next = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
            ::close(next);
            const soft_limit one_more(RLIMIT_NOFILE, static_cast<rlim_t>(next) + 1);
            std::error_code ec;
            for (int i = 0; i < 100; ++i) {
                const black_hole hole = berth::bind_black_hole({.backend = which}, ec);
                expect(ec == std::errc::too_many_files_open, ec.message());
                expect_equal(hole.port(), 0, "its port");
            }
        }
        expect_equal(open_descriptors(), before, "descriptors");
        expect(berth::bind_black_hole({.backend = which}).port() != 0, "later there is");
    }));
}

TEST_CASE("without a port for its own connection there is no black hole", "[linux]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        std::vector<berth::port_lease> all;
        for (std::uint32_t i = 0; i < narrow.size(); ++i)
            all.push_back(berth::find_unused_port({.backend = which}));
        std::error_code ec;
        const berth::bind_options elsewhere = {.ports = port_range{45000, 45000},
                                               .backend = which};
        for (int i = 0; i < 3; ++i) {
            expect_equal(berth::bind_black_hole(elsewhere, ec).port(), 0, "its port");
            expect(ec == std::errc::address_not_available, ec.message());
        }
        all.clear();
        expect_equal(berth::bind_black_hole(elsewhere).port(), 45000, "later there is");
    }));
}
