// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "candidate_ports.hpp"
#include "catch.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

using berth::port_range;
using berth::detail::candidate_ports;

namespace {

const std::vector<bool> none_tried;

std::vector<std::uint16_t> take_many(candidate_ports& candidates, std::size_t count)
{
    std::vector<std::uint16_t> taken;
    for (std::size_t i = 0; i < count; ++i)
        taken.push_back(candidates.take(none_tried));
    return taken;
}

} // namespace

TEST_CASE("each port is taken once before any is taken again, odd offsets first",
          "[unit]")
{
    candidate_ports candidates(port_range{1000, 1039}, {}, std::minstd_rand(1));
    const auto taken = take_many(candidates, 40);
    CHECK(std::set(taken.begin(), taken.end()).size() == 40);
    CHECK(std::ranges::all_of(taken, [](auto p) { return p >= 1000 && p <= 1039; }));
    CHECK(std::all_of(taken.begin(), taken.begin() + 20,
                      [](auto p) { return p % 2 == 1; }));
    CHECK(
        std::all_of(taken.begin() + 20, taken.end(), [](auto p) { return p % 2 == 0; }));
    CHECK(take_many(candidates, 20) == std::vector(taken.begin(), taken.begin() + 20));
}

TEST_CASE("two processes look in different orders", "[unit]")
{
    candidate_ports one(port_range{1000, 1999}, {}, std::minstd_rand(1));
    candidate_ports other(port_range{1000, 1999}, {}, std::minstd_rand(2));
    CHECK(take_many(one, 20) != take_many(other, 20));
}

TEST_CASE("reserved ports are never taken", "[unit]")
{
    const std::vector<port_range> reserved = {{1002, 1003}, {1009, 2000}, {1, 1000}};
    candidate_ports candidates(port_range{1000, 1009}, reserved, std::minstd_rand(1));
    const auto taken = take_many(candidates, 20);
    CHECK(std::set(taken.begin(), taken.end()) ==
          std::set<std::uint16_t>{1001, 1004, 1005, 1006, 1007, 1008});
}

TEST_CASE("a range that is reserved as a whole has no candidates", "[unit]")
{
    const std::vector<port_range> reserved = {{1, 65535}};
    candidate_ports candidates(port_range{1000, 1009}, reserved, std::minstd_rand(1));
    CHECK(candidates.empty());
    CHECK(candidates.take(none_tried) == 0);
}

TEST_CASE("what browsers block is left out where that is asked for", "[unit]")
{
    const port_range some = {6664, 6670};
    candidate_ports all(some, {}, std::minstd_rand(1), 0, false);
    CHECK(!all.browser_safe());
    CHECK(!all.empty());
    CHECK(all.fresh() == 7);
    candidate_ports safe(some, {}, std::minstd_rand(1), 0, true);
    CHECK(safe.browser_safe());
    CHECK(!safe.empty());
    auto taken = take_many(safe, 2);
    std::ranges::sort(taken);
    CHECK(taken == std::vector<std::uint16_t>{6664, 6670});
    safe.give_back(6666);
    CHECK(safe.fresh() == 0);

    CHECK(candidate_ports(port_range{6665, 6669}, {}, std::minstd_rand(1), 0, true)
              .empty());
    const std::vector<port_range> reserved = {{6664, 6664}, {6670, 6670}};
    CHECK(candidate_ports(some, reserved, std::minstd_rand(1), 0, true).empty());
}

TEST_CASE("the whole of the numbers is a range", "[unit]")
{
    candidate_ports candidates(port_range{1, 65535}, {}, std::minstd_rand(1));
    const auto taken = take_many(candidates, 65535 * 64 / 63 + 1); // one in 64 again
    CHECK(std::set(taken.begin(), taken.end()).size() == 65535);
}

TEST_CASE("a port that was taken waits until nothing else is left", "[unit]")
{
    candidate_ports candidates(port_range{1000, 1003}, {}, std::minstd_rand(1));
    const auto taken = candidates.take(none_tried);
    const auto next = take_many(candidates, 3);
    CHECK(std::ranges::find(next, taken) == next.end());
    CHECK(candidates.take(none_tried) == taken);
}

TEST_CASE("a port that did not come back is looked at now and then", "[unit]")
{
    candidate_ports candidates(port_range{1000, 1999}, {}, std::minstd_rand(1));
    const auto kept = candidates.take(none_tried);
    int looks = 0;
    for (int i = 0; i < 256; ++i) {
        const auto port = candidates.take(none_tried);
        if (port == kept)
            ++looks;
        else
            candidates.give_back(port);
    }
    CHECK(looks == 4);
}

TEST_CASE("one port can be taken, where it is a candidate", "[unit]")
{
    const std::vector<port_range> reserved = {{1002, 1002}};
    const berth::port_set ports =
        berth::port_set(port_range{1000, 1003}) | port_range{1006, 1007};
    candidate_ports candidates(ports, reserved, std::minstd_rand(1));
    for (const std::uint16_t none : {1, 999, 1002, 1004, 1005, 1008, 65535})
        CHECK(!candidates.take_port(none));
    CHECK(candidates.fresh() == 5);

    CHECK(candidates.take_port(1006));
    CHECK(candidates.fresh() == 4);
    const auto others = take_many(candidates, 4);
    CHECK(std::ranges::find(others, 1006) == others.end());
    CHECK(candidates.take_port(1006)); // it is not said to be free
    CHECK(candidates.fresh() == 0);
    CHECK(take_many(candidates, 5).back() == 1006);
}

TEST_CASE("a port that comes back is taken last", "[unit]")
{
    candidate_ports candidates(port_range{1000, 1009}, {}, std::minstd_rand(1));
    const auto port = candidates.take(none_tried);
    candidates.give_back(port);
    const auto taken = take_many(candidates, 10);
    CHECK(std::set(taken.begin(), taken.end()).size() == 10);
    CHECK(taken.back() == port);
}

TEST_CASE("a reserved port does not become a candidate by coming back", "[unit]")
{
    const std::vector<port_range> reserved = {{1000, 1000}};
    candidate_ports candidates(port_range{1000, 1001}, reserved, std::minstd_rand(1));
    candidates.give_back(1000);
    CHECK(take_many(candidates, 2) == std::vector<std::uint16_t>{1001, 1001});
}

TEST_CASE("what was tried is passed over, in both queues", "[unit]")
{
    candidate_ports candidates(port_range{1000, 1003}, {}, std::minstd_rand(1));
    (void)take_many(candidates, 4);
    candidates.give_back(1000);
    candidates.give_back(1003);
    std::vector<bool> tried = {true, false, true, false};
    CHECK(candidates.take(tried) == 1003);
    tried[3] = true;
    CHECK(candidates.take(tried) == 1001);
    tried[1] = true;
    CHECK(candidates.take(tried) == 0);
}

namespace {

/// The order in which a worker, or a process without a number, looks at all ports.
std::vector<std::uint16_t> order_of(std::optional<std::uint32_t> worker, unsigned seed,
                                    port_range range = {10000, 19999})
{
    candidate_ports candidates(range, {}, std::minstd_rand(seed), 0, false, worker);
    std::vector<std::uint16_t> order;
    std::vector<bool> tried(range.size());
    while (const auto port = candidates.take(tried)) {
        tried[port - range.first] = true;
        order.push_back(port);
    }
    return order;
}

} // namespace

TEST_CASE(
    "workers look in one order, each from a place of its own, the same parity first",
    "[unit]")
{
    const auto first = order_of(0, 1);
    REQUIRE(first.size() == 10000);
    const auto odd_end = first.begin() + 5000;
    CHECK(std::all_of(first.begin(), odd_end, [](auto port) { return port % 2 == 1; }));
    for (const std::uint32_t worker : {1, 2, 3, 100}) {
        auto order = order_of(worker, 7 * worker);
        CHECK(order.front() != first.front());
        std::rotate(order.begin(),
                    std::find(order.begin(), order.begin() + 5000, first[0]),
                    order.begin() + 5000);
        CHECK(std::equal(first.begin(), odd_end, order.begin()));
        std::rotate(order.begin() + 5000,
                    std::find(order.begin() + 5000, order.end(), first[5000]),
                    order.end());
        CHECK(order == first);
    }
}

TEST_CASE("workers meet late, however many there are", "[unit]")
{
    const std::size_t workers = GENERATE(2, 3, 4, 7, 8, 16, 21);
    const auto common = order_of(0, 1);
    std::vector<std::size_t> places;
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
        const auto first = order_of(worker, worker + 1).front();
        places.push_back(std::size_t(std::ranges::find(common, first) - common.begin()));
    }
    std::ranges::sort(places);
    places.push_back(places.front() + 5000);
    std::size_t nearest = 5000;
    for (std::size_t i = 1; i < places.size(); ++i)
        nearest = std::min(nearest, places[i] - places[i - 1]);
    INFO(workers << " workers, " << nearest << " ports");
    CHECK(nearest >= 5000 / workers / 4);
}

TEST_CASE("processes with one number after the other begin near, at different ports",
          "[unit]")
{
    const auto common = order_of(0, 1);
    const auto place_of = [&](unsigned seed) {
        return std::ranges::find(common, order_of(5, seed).front()) - common.begin();
    };
    std::set<std::ptrdiff_t> places;
    for (unsigned seed = 1; seed <= 20; ++seed)
        places.insert(place_of(seed * 1000003));
    CHECK(places.size() > 10);
    CHECK(*places.rbegin() - *places.begin() <= 5000 / 64);
}

TEST_CASE("a worker of few ports looks at each", "[unit]")
{
    for (std::uint16_t last = 10000; last < 10005; ++last)
        for (const std::uint32_t worker : {0U, 1U, 2U, 4294967295U}) {
            const auto order = order_of(worker, 3, {10000, last});
            CHECK(std::set(order.begin(), order.end()).size() == last - 9999U);
        }
}
