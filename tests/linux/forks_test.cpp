// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "child.hpp"
#include "leases.hpp"
#include "process.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <memory>
#include <set>
#include <sstream>
#include <vector>

// What fork() does to leases: the parent's are the parent's.

using asio::ip::tcp;
using berth::lease_mode;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;

namespace {

constexpr port_range narrow = {44000, 44015};

bool is_free(std::uint16_t port)
{
    return try_bind("0.0.0.0", port, reuse::nothing) == "ok";
}

/// All that a process can do with leases that it got by fork().
void misuse(port_lease& lease)
{
    const auto port = lease.port();
    asio::io_context context;
    std::error_code ec;
    lease.open(ec);
    expect(ec == berth::error::lease_empty, "open() in a child: " + ec.message());
    lease.seal(ec);
    expect(ec == berth::error::lease_empty, "seal() in a child: " + ec.message());
    const auto acceptor = std::move(lease).listen(context.get_executor(), 16, ec);
    expect(ec == berth::error::lease_empty, "listen() in a child: " + ec.message());
    expect(!acceptor.is_open(), "no acceptor in a child");
    expect_equal(lease.port(), port, "the number in a child");
}

} // namespace

TEST_CASE("a child does nothing to its parent's leases, whatever it does with its copies",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        std::vector<port_lease> leases;
        for (const auto mode :
             {lease_mode::open, lease_mode::sealed, lease_mode::open, lease_mode::sealed})
            leases.push_back(berth::find_unused_port({.mode = mode, .backend = which}));

        elsewhere([&] {
            misuse(leases[0]);
            misuse(leases[1]);
            leases[2].release();
            port_lease moved = std::move(leases[3]);
            misuse(moved);
            moved = port_lease();
            leases.clear();
        });
        for (const port_lease& lease : leases)
            expect_still_held(lease);

        // They are not only held but work as before.
        leases[0].seal();
        leases[1].open();
        for (const port_lease& lease : leases)
            expect_still_held(lease);
        asio::io_context context;
        const auto acceptor = std::move(leases[0]).listen(context.get_executor());
        expect_equal(try_connect("127.0.0.1", acceptor.local_endpoint().port()), "ok",
                     "a client");
    }));
}

TEST_CASE("a child's destructors run late and in any order without harm",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        port_lease inherited = berth::find_unused_port({.backend = which});
        elsewhere([&] {
            // The child's own leases may have the handles that the inherited one had.
            std::vector<port_lease> own;
            for (int i = 0; i < 10; ++i)
                own.push_back(berth::find_unused_port({.backend = which}));
            inherited.release();
            for (const port_lease& lease : own)
                expect_still_held(lease);
        });
        expect_still_held(inherited);
    }));
}

TEST_CASE("a child finds ports of its own, with one ring of its own", "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const port_lease parents = berth::find_unused_port({.backend = which});
        elsewhere([&] {
            std::set<std::uint16_t> ports = {parents.port()};
            std::vector<port_lease> own;
            for (int i = 0; i < 100; ++i) {
                own.push_back(berth::find_unused_port({.backend = which}));
                expect(ports.insert(own.back().port()).second, "another port");
                expect_still_held(own.back());
            }
            expect(open_descriptors_of(ring) <= 1, "no ring but the own");
            own.front().seal();
            expect_still_held(own.front());
        });
        expect_still_held(parents);
    }));
}

TEST_CASE("what a child leased is free when the child has given it back, whatever its "
          "parent inherits to others",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const port_lease mine = berth::find_unused_port({.backend = which});
        std::uint16_t childs = 0;
        {
            child one([&](channel& line) {
                const port_lease own = berth::find_unused_port({.backend = which});
                line.say(std::to_string(own.port()));
                (void)line.hear();
            });
            childs = static_cast<std::uint16_t>(std::stoi(one.line().hear()));
            expect(!is_free(childs), "the child's port is held");
            one.line().say("end");
            expect(one.wait(), "the child ends well");
        }
        expect(childs != mine.port(), "another port");
        expect(is_free(childs), "the child's port is free");
    }));
}

TEST_CASE("a parent gives a port back at once although a child lives", "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    const bool child_uses_berth = GENERATE(false, true);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        port_lease lease = berth::find_unused_port({.backend = which});
        port_lease second = berth::find_unused_port({.backend = which});
        child one([&](channel& line) {
            end_with_parent();
            port_lease own;
            if (child_uses_berth)
                own = berth::find_unused_port({.backend = which});
            line.say("here");
            (void)line.hear();
        });
        expect_equal(one.line().hear(), "here", "the child");
        expect(is_free(lease.release()), "a released port is free");
        const auto port = second.port();
        second = port_lease();
        expect(is_free(port), "a dropped lease's port is free");
        one.line().say("end");
        expect(one.wait(), "the child ends well");
    }));
}

TEST_CASE("the ports of a killed process become free, even where a child of it lives on",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    const bool with_child = GENERATE(false, true);
    const bool child_uses_berth = GENERATE(false, true);
    INFO((with_child ? "with" : "without") << " a child");
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        barrier orphan_may_end;
        child holder([&](channel& line) {
            std::vector<port_lease> leases;
            std::string report;
            for (int i = 0; i < 5; ++i) {
                leases.push_back(berth::find_unused_port({.backend = which}));
                report += std::to_string(leases.back().port()) + ' ';
            }
            if (with_child) {
                child orphan([&](channel& to_holder) {
                    port_lease own;
                    if (child_uses_berth)
                        own = berth::find_unused_port(
                            {.ports = port_range{45000, 45010}, .backend = which});
                    to_holder.say("here");
                    orphan_may_end.wait();
                });
                (void)orphan.line().hear();
                line.say(report);
                (void)line.hear();
            }
            line.say(report);
            (void)line.hear();
        });
        std::istringstream report(holder.line().hear());
        std::vector<std::uint16_t> ports;
        for (std::uint16_t port = 0; report >> port;)
            ports.push_back(port);
        expect_equal(ports.size(), std::size_t{5}, "ports that are leased");
        for (const std::uint16_t port : ports)
            expect(!is_free(port), "a leased port is held");
        holder.kill();
        for (const std::uint16_t port : ports)
            expect(eventually([port] { return is_free(port); }),
                   "the port of a killed process is free in the end");
    }));
}

TEST_CASE("operations that are pending at a fork come to their end in both processes",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    const bool used_before = GENERATE(false, true);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        constexpr std::size_t operations = 100;
        port_lease before;
        if (used_before)
            before = berth::find_unused_port({.backend = which});

        asio::io_context context;
        std::vector<port_lease> leases;
        std::vector<tcp::acceptor> acceptors;
        std::string failure;
        for (std::size_t i = 0; i < operations; ++i) {
            berth::async_find_unused_port(
                context.get_executor(), {.backend = which},
                [&](const std::error_code& ec, port_lease lease) {
                    if (ec)
                        failure = ec.message();
                    leases.push_back(std::move(lease));
                });
            berth::async_bind_ephemeral(context.get_executor(), {.backend = which},
                                        [&](const std::error_code& ec, tcp::acceptor a) {
                                            if (ec)
                                                failure = ec.message();
                                            acceptors.push_back(std::move(a));
                                        });
        }
        const auto finish = [&] {
            context.run();
            expect(failure.empty(), "operations without an error: " + failure);
            expect_equal(leases.size(), operations, "leases");
            expect_equal(acceptors.size(), operations, "acceptors");
            std::string report;
            for (const port_lease& lease : leases)
                report += std::to_string(lease.port()) + ' ';
            for (const tcp::acceptor& acceptor : acceptors)
                report += std::to_string(acceptor.local_endpoint().port()) + ' ';
            for (const port_lease& lease : leases)
                expect_still_held(lease);
            return report;
        };

        context.notify_fork(asio::io_context::fork_prepare);
        child one([&](channel& line) {
            context.notify_fork(asio::io_context::fork_child);
            line.say(finish());
            (void)line.hear();
        });
        context.notify_fork(asio::io_context::fork_parent);
        const std::string both = one.line().hear() + finish();
        one.line().say("end");
        expect(one.wait(), "the child ends well");

        std::istringstream report(both);
        std::set<std::uint16_t> ports;
        for (std::uint16_t port = 0; report >> port;)
            expect(ports.insert(port).second, "every port is given once");
        expect_equal(ports.size(), 4 * operations, "ports in both processes");
        if (used_before)
            expect_still_held(before);
    }));
}

TEST_CASE("a child may drop the operations that were pending at its fork",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        auto context = std::make_unique<asio::io_context>();
        std::vector<port_lease> leases;
        for (int i = 0; i < 100; ++i)
            berth::async_find_unused_port(
                context->get_executor(), {.backend = which},
                [&](const std::error_code& ec, port_lease lease) {
                    expect(!ec, "a lease: " + ec.message());
                    leases.push_back(std::move(lease));
                });
        // Some have their answer, and are not told yet.
        expect_equal(context->run_one(), std::size_t{1}, "the first handler");
        elsewhere([&] {
            context.reset();
            leases.clear();
        });
        context->run();
        expect_equal(leases.size(), std::size_t{100}, "leases");
        for (const port_lease& lease : leases)
            expect_still_held(lease);
    }));
}

TEST_CASE("generations of children fork and find without touching each other",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const std::function<void(int)> generation = [&](int left) {
            std::vector<port_lease> leases;
            for (int i = 0; i < 3; ++i)
                leases.push_back(berth::find_unused_port({.backend = which}));
            if (left > 0)
                elsewhere([&] {
                    leases.clear();
                    generation(left - 1);
                });
            for (const port_lease& lease : leases)
                expect_still_held(lease);
            expect(open_descriptors_of(ring) <= 1, "no ring but the own");
        };
        generation(8);
    }));
}

TEST_CASE("twenty processes fork and find at the same time, and no port is found twice",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const port_lease first = berth::find_unused_port({.backend = which});
        const auto find = [&](std::string& report) {
            std::vector<port_lease> leases;
            for (int i = 0; i < 10; ++i) {
                leases.push_back(berth::find_unused_port({.backend = which}));
                report += std::to_string(leases.back().port()) + ' ';
            }
            return leases;
        };
        std::vector<std::unique_ptr<child>> processes;
        for (int i = 0; i < 20; ++i)
            processes.push_back(std::make_unique<child>([&](channel& line) {
                end_with_parent();
                std::string report;
                const auto leases = find(report);
                child grandchild([&](channel& to_child) {
                    end_with_parent();
                    std::string own;
                    const auto more = find(own);
                    to_child.say(own);
                    (void)to_child.hear();
                });
                line.say(report + grandchild.line().hear());
                (void)line.hear();
                grandchild.line().say("end");
                expect(grandchild.wait(), "the grandchild ends well");
                for (const port_lease& lease : leases)
                    expect_still_held(lease);
            }));

        std::set<std::uint16_t> ports = {first.port()};
        for (const auto& process : processes) {
            std::istringstream report(process->line().hear());
            for (std::uint16_t port = 0; report >> port;)
                expect(ports.insert(port).second, "every port is found once");
        }
        expect_equal(ports.size(), std::size_t{401}, "ports");
        for (const auto& process : processes)
            process->line().say("end");
        for (const auto& process : processes)
            expect(process->wait(), "a process ends well");
        expect_still_held(first);
    }));
}
