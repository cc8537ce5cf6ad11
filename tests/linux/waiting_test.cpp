// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "child.hpp"
#include "descriptors.hpp"
#include "process.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

// Waiting for ports that other processes have, and what is left when the waiting has ended.

using asio::ip::tcp;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;
using namespace std::chrono_literals;

namespace {

constexpr port_range narrow = {44000, 44003};
constexpr auto long_enough = std::chrono::minutes(2);

/// Leases on every port there is.
std::vector<port_lease> take_all(berth::backend which)
{
    std::vector<port_lease> leases;
    for (int i = 0; i < narrow.size(); ++i)
        leases.push_back(berth::find_unused_port({.backend = which}));
    return leases;
}

/// Without the rings, which stay, and of which many threads need more than one.
std::size_t descriptors()
{
    return open_descriptors() - open_descriptors_of(ring);
}

/// A process that has every port until it is told to end.
std::unique_ptr<child> holder(berth::backend which)
{
    auto made = std::make_unique<child>([which](channel& line) {
        end_with_parent();
        const auto leases = take_all(which);
        line.say("here");
        (void)line.hear();
    });
    expect_equal(made->line().hear(), "here", "the holder");
    return made;
}

} // namespace

TEST_CASE("who waits is given the port that another process gives back",
          "[linux][waiting]")
{
    BERTH_EACH_BACKEND(which);
    const bool killed = GENERATE(false, true);
    const bool by_option = GENERATE(false, true);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const auto other = holder(which);
        berth::find_options find{.wait = long_enough, .backend = which};
        berth::bind_options bind{.wait = long_enough, .backend = which};
        if (by_option) {
            find.ports = narrow;
            bind.ports = narrow;
        }

        asio::io_context context;
        port_lease lease;
        std::uint16_t bound = 0;
        berth::async_find_unused_port(context.get_executor(), find,
                                      [&](const std::error_code& ec, port_lease l) {
                                          expect(!ec, "a lease: " + ec.message());
                                          lease = std::move(l);
                                      });
        berth::async_bind_ephemeral(context.get_executor(), bind,
                                    [&](const std::error_code& ec, tcp::acceptor a) {
                                        expect(!ec, "an acceptor: " + ec.message());
                                        bound = a.local_endpoint().port();
                                    });
        context.poll();
        expect(!lease && bound == 0, "both wait");
        if (killed)
            other->kill();
        else
            other->line().say("end");
        context.run();
        expect(narrow.contains(lease.port()), "a port for the lease");
        expect(narrow.contains(bound), "a port for the acceptor");
    }));
}

TEST_CASE("who waits while strangers have the ports is given one of them",
          "[linux][waiting]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        std::vector<stranger> strangers;
        for (std::uint32_t port = narrow.first; port <= narrow.last; ++port) {
            strangers.emplace_back("0.0.0.0");
            expect_equal(strangers.back().bind(static_cast<std::uint16_t>(port)), "ok",
                         "a stranger");
        }
        asio::io_context context;
        port_lease lease;
        berth::async_find_unused_port(
            context.get_executor(), {.wait = long_enough, .backend = which},
            [&](const std::error_code&, port_lease l) { lease = std::move(l); });
        context.poll();
        expect(!lease, "it waits");
        const auto port = strangers.back().port();
        strangers.pop_back();
        context.run();
        expect_equal(lease.port(), port, "the port");

        std::error_code ec;
        (void)berth::find_unused_port({.wait = 30ms, .backend = which}, ec);
        expect(ec == berth::error::ports_exhausted, "one more: " + ec.message());
    }));
}

TEST_CASE("many who wait in many processes are all served, and leave nothing behind",
          "[linux][waiting]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        constexpr int processes = 4;
        constexpr int each = 30;
        std::vector<std::unique_ptr<child>> members;
        for (int i = 0; i < processes; ++i)
            members.push_back(std::make_unique<child>([&](channel& line) {
                end_with_parent();
                (void)berth::find_unused_port({.wait = long_enough, .backend = which});
                const std::size_t before = descriptors();
                std::atomic<int> served = 0;
                {
                    asio::thread_pool pool(2);
                    const auto ex = pool.get_executor();
                    for (int n = 0; n < each; ++n) {
                        berth::async_find_unused_port(
                            ex, {.wait = long_enough, .backend = which},
                            [&](const std::error_code& ec, port_lease lease) {
                                served += !ec && lease ? 1 : 0;
                            });
                        berth::async_bind_ephemeral(
                            ex, {.wait = long_enough, .backend = which},
                            [&](const std::error_code& ec, tcp::acceptor) {
                                served += ec ? 0 : 1;
                            });
                        berth::async_find_unused_port(
                            ex, {.wait = 1ms, .backend = which},
                            [](const std::error_code&, port_lease) {});
                    }
                    pool.join();
                }
                line.say(std::to_string(served) + " served, " +
                         std::to_string(descriptors() - before) + " left");
                (void)line.hear();
            }));
        for (const auto& member : members)
            expect_equal(member->line().hear(),
                         std::to_string(2 * each) + " served, 0 left", "a process");
        // Though they all still live.
        expect_equal(exhaust_by_bind("0.0.0.0", reuse::nothing).size(),
                     std::size_t{narrow.size()}, "free ports");
        for (const auto& member : members)
            member->line().say("end");
        for (const auto& member : members)
            expect(member->wait(), "a process that ends well");
    }));
}

TEST_CASE("a child of a fork is not behind those who wait in its parent",
          "[linux][waiting]")
{
    BERTH_EACH_BACKEND(which);
    const bool finish_in_child = GENERATE(false, true);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        auto leases = take_all(which);
        auto context = std::make_unique<asio::io_context>();
        int served = 0;
        for (int i = 0; i < 3; ++i)
            berth::async_find_unused_port(context->get_executor(),
                                          {.wait = long_enough, .backend = which},
                                          [&](const std::error_code& ec, port_lease l) {
                                              served += !ec && l ? 1 : 0;
                                          });
        context->poll();
        expect_equal(served, 0, "all wait");
        leases.pop_back();
        context->notify_fork(asio::execution_context::fork_prepare);
        elsewhere([&] {
            context->notify_fork(asio::execution_context::fork_child);
            (void)berth::find_unused_port({.wait = long_enough, .backend = which});
            if (finish_in_child) {
                context->run();
                expect_equal(served, 3, "the child's copies");
            } else {
                context.reset();
                (void)berth::find_unused_port({.wait = long_enough, .backend = which});
            }
        });
        context->notify_fork(asio::execution_context::fork_parent);
        context->run();
        expect_equal(served, 3, "the parent's");
    }));
}
