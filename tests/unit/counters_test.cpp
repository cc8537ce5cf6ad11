// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "counters.hpp"

#include <thread>
#include <vector>

using berth::counters;
using berth::process_counters;
using berth::detail::count;

namespace {

constexpr counters one_to_nine = {.granted = 1,
                                  .exhausted = 2,
                                  .tried = 3,
                                  .refused = 4,
                                  .batches = 5,
                                  .submissions = 6,
                                  .fallback_unavailable = 7,
                                  .fallback_no_resources = 8,
                                  .fallback_forbidden = 9};

} // namespace

TEST_CASE("each counter grows by what it is given, and by nothing else", "[unit]")
{
    berth::detail::reset_counters();
    CHECK(process_counters() == counters{});
    count(one_to_nine);
    CHECK(process_counters() == one_to_nine);
    const counters before = process_counters();
    count({.refused = 10});
    count({.fallback_forbidden = 1});
    CHECK(process_counters() - before ==
          counters{.refused = 10, .fallback_forbidden = 1});
    count({});
    count(one_to_nine);
    CHECK(process_counters() - counters{.refused = 10, .fallback_forbidden = 1} -
              one_to_nine ==
          one_to_nine);
    berth::detail::reset_counters();
    CHECK(process_counters() == counters{});
}

TEST_CASE("no count of any thread is lost", "[unit]")
{
    constexpr unsigned threads = 4;
    constexpr unsigned rounds = 10'000;
    const counters before = process_counters();
    {
        std::vector<std::jthread> all;
        for (unsigned i = 0; i < threads; ++i)
            all.emplace_back([] {
                for (unsigned round = 0; round < rounds; ++round) {
                    count({.granted = 2, .tried = 3});
                    (void)process_counters();
                }
            });
    }
    CHECK(process_counters() - before ==
          counters{.granted = 2ULL * threads * rounds, .tried = 3ULL * threads * rounds});
}
