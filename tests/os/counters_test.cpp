// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"

#include <berth/bind_ephemeral.hpp>
#include <berth/counters.hpp>
#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>

#include <asio/io_context.hpp>

#include <vector>

// What does not depend on which ports other programs have.

using asio::ip::tcp;
using berth::counters;
using berth::port_lease;
using berth::process_counters;

TEST_CASE("every lease and bound socket is counted once", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto ex = context.get_executor();
    const port_lease first = berth::find_unused_port({.backend = which});

    const counters before = process_counters();
    port_lease lease = berth::find_unused_port({.backend = which});
    const counters found = process_counters() - before;
    CHECK(found.granted == 1);
    CHECK(found.batches == 1);

    (void)berth::bind_ephemeral<asio::ip::udp>(ex, {.backend = which});
    const auto acceptor = berth::bind_ephemeral(ex, {.backend = which});
    CHECK((process_counters() - before).granted == 3);
    CHECK((process_counters() - before).batches == 3);

    tcp::socket own(context, tcp::v4());
    (void)berth::bind_ephemeral(own, asio::ip::address_v4::loopback());
    lease.release();
    const counters all = process_counters() - before;
    CHECK(all.granted == 4);
    CHECK(all.batches == 3);
    CHECK(all.exhausted == 0);
    CHECK(all.submissions == 0); // a ring is not asked for so little
}

TEST_CASE("what waits together is one batch", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    std::vector<port_lease> leases;
    const counters before = process_counters();
    for (int i = 0; i < 20; ++i)
        berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                      [&](std::error_code, port_lease lease) {
                                          leases.push_back(std::move(lease));
                                      });
    CHECK(process_counters() == before);
    context.run();
    const counters all = process_counters() - before;
    CHECK(all.granted == 20);
    CHECK(all.batches == 1);
}

TEST_CASE("of a range each candidate is tried, and counted", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const port_lease taken = berth::find_unused_port({.backend = which});
    const counters before = process_counters();
    std::error_code ec;
    const port_lease none = berth::find_unused_port(
        {.ports = berth::port_range{taken.port(), taken.port()}, .backend = which}, ec);
    CHECK(ec);
    const counters all = process_counters() - before;
    CHECK(all.granted == 0);
    CHECK(all.tried == 1);
    CHECK(all.refused == 1);
    CHECK(all.exhausted == (ec == berth::error::ports_exhausted ? 1 : 0));
}

TEST_CASE("a choice that is free is counted where it does not fall on io_uring", "[os]")
{
    const auto working = berth::testing::working_backends();
    const bool ring = working.front() == berth::backend::io_uring;
    const counters before = process_counters();
    const port_lease free_choice = berth::find_unused_port();
    const port_lease none_left = berth::find_unused_port({.backend = working.back()});
    const counters all = process_counters() - before;
    CHECK(all.granted == 2);
    if (ring)
        CHECK(all.fallback_unavailable == 0);
    else
        CHECK(all.fallback_unavailable <= 1); // none where BERTH_BACKEND left no choice
}
