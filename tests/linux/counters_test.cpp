// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "leases.hpp"
#include "process.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <cstdlib>
#include <thread>
#include <vector>

// Every counter, to the last try: in a network where nobody else has a port.

using asio::ip::tcp;
using asio::ip::udp;
using berth::backend;
using berth::counters;
using berth::port_lease;
using berth::process_counters;
using namespace berth::testing;

namespace berth {

static std::ostream& operator<<(std::ostream& out, const counters& c)
{
    return out << "granted " << c.granted << ", exhausted " << c.exhausted << ", tried "
               << c.tried << ", refused " << c.refused << ", batches " << c.batches
               << ", submissions " << c.submissions << ", fallbacks "
               << c.fallback_unavailable << '/' << c.fallback_no_resources << '/'
               << c.fallback_forbidden << '/' << c.fallback_busy << '/'
               << c.fallback_broken;
}

} // namespace berth

namespace {

constexpr berth::port_range narrow = {44000, 44007};

/// What a function adds to the counters of this process.
template <class Function>
counters count_of(Function&& function)
{
    const counters before = process_counters();
    function();
    return process_counters() - before;
}

/// `io_uring`'s submissions, none with another back end.
std::uint64_t with_ring(backend which, std::uint64_t submissions)
{
    return which == backend::io_uring ? submissions : 0;
}

void warm_up(backend which)
{
    need(which);
    const port_lease lease = berth::find_unused_port({.backend = which});
}

} // namespace

TEST_CASE(
    "a lease is one grant, one try and one batch; a ring is not asked for so little",
    "[linux][counters]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        port_lease lease;
        const auto found =
            count_of([&] { lease = berth::find_unused_port({.backend = which}); });
        expect_equal(found, counters{.granted = 1, .tried = 1, .batches = 1}, "a lease");
        expect_equal(count_of([&] { lease.seal(); }), counters{}, "seal()");
        expect_equal(count_of([&] { lease.release(); }), counters{}, "release()");
    }));
}

TEST_CASE("bound sockets count as leases do", "[linux][counters]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        asio::io_context context;
        const auto ex = context.get_executor();
        const counters one = {.granted = 1, .tried = 1, .batches = 1};
        expect_equal(
            count_of([&] { (void)berth::bind_ephemeral(ex, {.backend = which}); }), one,
            "an acceptor");
        expect_equal(
            count_of([&] { (void)berth::bind_ephemeral<udp>(ex, {.backend = which}); }),
            one, "a UDP socket");
    }));
}

TEST_CASE("a socket of one's own is granted without a batch", "[linux][counters]")
{
    BERTH_PASSES(in_network(narrow, [&] {
        asio::io_context context;
        const auto loopback = asio::ip::address_v4::loopback();
        tcp::socket own(context, tcp::v4());
        expect_equal(count_of([&] { (void)berth::bind_ephemeral(own, loopback); }),
                     counters{.granted = 1, .tried = 1}, "a socket");

        std::error_code ec;
        const auto again =
            count_of([&] { (void)berth::bind_ephemeral(own, loopback, ec); });
        expect(ec == std::errc::invalid_argument, "bound twice: " + ec.message());
        expect_equal(again, counters{.tried = 1}, "a socket that is bound");

        std::vector<tcp::socket> all;
        for (int i = 1; i < narrow.size(); ++i)
            (void)berth::bind_ephemeral(all.emplace_back(context, tcp::v4()), loopback);
        tcp::socket late(context, tcp::v4());
        const auto more =
            count_of([&] { (void)berth::bind_ephemeral(late, loopback, ec); });
        expect(ec == berth::error::ports_exhausted, "one more: " + ec.message());
        expect_equal(more, counters{.exhausted = 1, .tried = 8, .refused = 8},
                     "one socket more than ports");
    }));
}

TEST_CASE("what is asked for together is one batch: one submission to open, one to bind",
          "[linux][counters]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network({44000, 44999}, [&] {
        warm_up(which);
        std::vector<port_lease> leases;
        const auto ask = [&](std::size_t requests) {
            leases = find_batch(requests, {.backend = which});
        };
        expect_equal(count_of([&] { ask(10); }),
                     counters{.granted = 10,
                              .tried = 10,
                              .batches = 1,
                              .submissions = with_ring(which, 2)},
                     "ten leases");
        expect_equal(count_of([&] { ask(3); }),
                     counters{.granted = 3, .tried = 3, .batches = 1}, "three leases");
        leases.clear();

        const auto many = count_of([&] { ask(640); });
        expect_equal(many.granted, 640U, "granted");
        // Now and then a port that is taken is tried again.
        expect_equal(many.tried, many.granted + many.refused, "tried");
        expect_equal(many.batches, 20U, "batches");
        // A refusal leads to another round of its batch.
        if (which == backend::io_uring)
            expect(many.submissions >= 40 && many.submissions <= 40 + many.refused,
                   std::to_string(many.submissions) + " submissions");
        else
            expect_equal(many.submissions, 0U, "submissions");
    }));
}

TEST_CASE("a range that is taken counts a refusal for each candidate",
          "[linux][counters]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        std::vector<port_lease> leases;
        for (int i = 0; i < narrow.size(); ++i)
            leases.push_back(berth::find_unused_port({.backend = which}));
        std::error_code ec;
        const auto more =
            count_of([&] { (void)berth::find_unused_port({.backend = which}, ec); });
        expect(ec == berth::error::ports_exhausted, "one more: " + ec.message());
        expect_equal(more,
                     counters{.exhausted = 1, .tried = 8, .refused = 8, .batches = 1},
                     "one lease more than ports");
        leases.clear();
        leases.push_back(berth::find_unused_port({.backend = which}));
        for (int i = 0; i < 2; ++i) {
            const auto sets = count_of([&] {
                (void)berth::find_unused_ports(narrow.size(), {.backend = which}, ec);
            });
            expect(ec == berth::error::ports_exhausted, "a set: " + ec.message());
            expect_equal(sets.exhausted, 1U, "exhausted");
            expect_equal(sets.tried, 8U, "tried for a set");
            expect_equal(sets.refused, 1U, "refused to a set");
        }
        leases.clear();

        become_ordinary();
        const auto denied = count_of([&] {
            (void)berth::find_unused_port(
                {.ports = berth::port_range{1, 3}, .backend = which}, ec);
        });
        expect(ec == std::errc::permission_denied, "privileged: " + ec.message());
        expect_equal(denied, counters{.tried = 3, .refused = 3, .batches = 1},
                     "privileged ports");
    }));
}

TEST_CASE("what asks nothing of the kernel counts nothing", "[linux][counters]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        std::error_code ec;
        const auto invalid = count_of([&] {
            (void)berth::find_unused_port(
                {.ports = berth::port_range{20, 10}, .backend = which}, ec);
        });
        expect(ec == berth::error::invalid_range, "the error: " + ec.message());
        expect_equal(invalid, counters{}, "an invalid range");
        expect_equal(count_of([] { (void)berth::available_backends(); }), counters{},
                     "available_backends()");
    }));
}

TEST_CASE("the child of a fork counts from zero", "[linux][counters]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        port_lease lease = berth::find_unused_port({.backend = which});
        const counters before = process_counters();
        expect(before.granted == 2, "two leases");
        elsewhere([&] {
            expect_equal(process_counters(), counters{}, "a child");
            lease.release(); // which is not its own
            expect_equal(process_counters(), counters{}, "a child without a lease");
            const port_lease own = berth::find_unused_port({.backend = which});
            expect_equal(process_counters().granted, 1U, "granted to the child");
        });
        expect_equal(process_counters(), before, "the parent");
    }));
}

TEST_CASE("no lease of any thread is forgotten", "[linux][counters]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network({44000, 44999}, [&] {
        warm_up(which);
        constexpr int threads = 4;
        constexpr int rounds = 100;
        const auto all = count_of([&] {
            std::vector<std::jthread> pool;
            for (int i = 0; i < threads; ++i)
                pool.emplace_back([&] {
                    for (int round = 0; round < rounds; ++round)
                        (void)berth::find_unused_port({.backend = which});
                });
        });
        expect_equal(all.granted, 400U, "granted");
        expect_equal(all.tried, all.granted + all.refused, "tried");
        expect_equal(all.batches, 400U, "batches");
    }));
}
