// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "port_hunt.hpp"

#include <berth/error.hpp>

#include <set>

using berth::detail::candidate_ports;
using berth::detail::port_hunt;

namespace {

const std::error_code in_use = std::make_error_code(std::errc::address_in_use);
const std::error_code denied = std::make_error_code(std::errc::permission_denied);
const std::error_code no_memory = std::make_error_code(std::errc::not_enough_memory);

std::shared_ptr<candidate_ports> make_candidates(berth::port_range range)
{
    return std::make_shared<candidate_ports>(range, std::span<const berth::port_range>(),
                                             std::minstd_rand(7));
}

} // namespace

TEST_CASE("a hunt begins with the first candidate", "[unit]")
{
    auto candidates = make_candidates({5000, 5000});
    port_hunt hunt(candidates);
    const auto step = hunt.start();
    CHECK(step.port == 5000);
    CHECK(!step.ec);
}

TEST_CASE("a refused port leads to the next one", "[unit]")
{
    auto candidates = make_candidates({5000, 5001});
    port_hunt hunt(candidates);
    const auto first = hunt.start();
    const auto second = hunt.refused(first.port, in_use);
    CHECK(second.port != 0);
    CHECK(second.port != first.port);
}

TEST_CASE("a hunt gives up when each candidate was refused once", "[unit]")
{
    auto candidates = make_candidates({5000, 5099});
    port_hunt hunt(candidates);
    std::set<std::uint16_t> seen;
    auto step = hunt.start();
    while (step.port != 0) {
        CHECK(seen.insert(step.port).second);
        step = hunt.refused(step.port, in_use);
    }
    CHECK(seen.size() == 100);
    CHECK(step.ec == berth::error::ports_exhausted);
}

TEST_CASE("hunts that take turns each try every candidate", "[unit]")
{
    auto candidates = make_candidates({5000, 5019});
    port_hunt one(candidates);
    port_hunt other(candidates);
    std::set<std::uint16_t> seen_by_one;
    std::set<std::uint16_t> seen_by_other;
    auto step_of_one = one.start();
    auto step_of_other = other.start();
    while (step_of_one.port != 0 || step_of_other.port != 0) {
        if (step_of_one.port != 0) {
            CHECK(seen_by_one.insert(step_of_one.port).second);
            step_of_one = one.refused(step_of_one.port, in_use);
        }
        if (step_of_other.port != 0) {
            CHECK(seen_by_other.insert(step_of_other.port).second);
            step_of_other = other.refused(step_of_other.port, in_use);
        }
    }
    CHECK(seen_by_one.size() == 20);
    CHECK(seen_by_other.size() == 20);
}

TEST_CASE("any other error ends the hunt and passes through, wherever it comes", "[unit]")
{
    for (std::size_t n = 0; n < 5; ++n) {
        auto candidates = make_candidates({5000, 5009});
        port_hunt hunt(candidates);
        auto step = hunt.start();
        for (std::size_t i = 0; i < n; ++i)
            step = hunt.refused(step.port, in_use);
        step = hunt.refused(step.port, no_memory);
        CHECK(step.port == 0);
        CHECK(step.ec == no_memory);
    }
}

TEST_CASE("a range that is denied as a whole says so", "[unit]")
{
    auto candidates = make_candidates({1, 3});
    port_hunt hunt(candidates);
    auto step = hunt.start();
    while (step.port != 0)
        step = hunt.refused(step.port, denied);
    CHECK(step.ec == denied);
}

TEST_CASE("a range that is denied in part and used in part is exhausted", "[unit]")
{
    for (std::size_t used_at = 0; used_at < 3; ++used_at) {
        auto candidates = make_candidates({1, 3});
        port_hunt hunt(candidates);
        auto step = hunt.start();
        for (std::size_t i = 0; step.port != 0; ++i)
            step = hunt.refused(step.port, i == used_at ? in_use : denied);
        CHECK(step.ec == berth::error::ports_exhausted);
    }
}

TEST_CASE("a range without candidates leaves nothing to try", "[unit]")
{
    const berth::port_range everything[] = {{1, 65535}};
    port_hunt hunt(std::make_shared<candidate_ports>(berth::port_range{5000, 5009},
                                                     everything, std::minstd_rand(7)));
    const auto step = hunt.start();
    CHECK(step.port == 0);
    CHECK(step.ec == berth::error::no_ports);
}

TEST_CASE("a refused port is not the next hunt's first choice", "[unit]")
{
    auto candidates = make_candidates({5000, 5009});
    port_hunt hunt(candidates);
    const auto first = hunt.start();
    (void)hunt.refused(first.port, in_use);
    for (int i = 0; i < 8; ++i)
        CHECK(port_hunt(candidates).start().port != first.port);
}

TEST_CASE("a leased port is not tried again before the others, a bound one in its turn",
          "[unit]")
{
    auto candidates = make_candidates({5000, 5002});
    std::uint16_t leased = 0;
    {
        port_hunt hunt(candidates);
        leased = hunt.start().port;
        hunt.leased();
    }
    CHECK(candidates->fresh() == 2);
    const auto bound = port_hunt(candidates).start().port;
    CHECK(candidates->fresh() == 2);

    port_hunt one(candidates);
    port_hunt other(candidates);
    CHECK(std::set{one.start().port, other.start().port}.count(leased) == 0);
    CHECK(port_hunt(candidates).start().port == leased);
    CHECK(bound != leased);
}

TEST_CASE("a port at which the system failed is a candidate again, wherever it failed",
          "[unit]")
{
    for (std::size_t n = 0; n < 3; ++n) {
        auto candidates = make_candidates({5000, 5009});
        {
            port_hunt hunt(candidates);
            auto step = hunt.start();
            for (std::size_t i = 0; i < n; ++i)
                step = hunt.refused(step.port, in_use);
            (void)hunt.refused(step.port, no_memory);
        }
        CHECK(candidates->fresh() == 10 - n);
    }
}

TEST_CASE("a preferred port is tried first, in the range or not", "[unit]")
{
    const std::uint16_t preferred = GENERATE(80, 5000, 5007, 5009, 60000);
    INFO(preferred);
    auto candidates = make_candidates({5000, 5009});
    port_hunt hunt(candidates, preferred);
    std::set<std::uint16_t> seen;
    auto step = hunt.start();
    CHECK(step.port == preferred);
    while (step.port != 0) {
        CHECK(seen.insert(step.port).second);
        step = hunt.refused(step.port, in_use);
    }
    CHECK(step.ec == berth::error::ports_exhausted);
    CHECK(seen.size() == (candidates->range().contains(preferred) ? 10U : 11U));
    CHECK(candidates->fresh() == 0);
}

TEST_CASE("a preferred port that is a candidate goes the way of the others", "[unit]")
{
    auto candidates = make_candidates({5000, 5003});
    {
        port_hunt hunt(candidates, 5002);
        CHECK(hunt.start().port == 5002);
        CHECK(candidates->fresh() == 3);
        hunt.leased();
    }
    CHECK(candidates->fresh() == 3);
    candidates->give_back(5002);
    {
        port_hunt bound(candidates, 5001);
        CHECK(bound.start().port == 5001);
    }
    CHECK(candidates->fresh() == 4);
    {
        port_hunt failed(candidates, 5001);
        const auto step = failed.refused(failed.start().port, no_memory);
        CHECK(step.port == 0);
        CHECK(step.ec == no_memory);
    }
    CHECK(candidates->fresh() == 4);
    {
        port_hunt refused(candidates, 5001);
        CHECK(refused.refused(refused.start().port, in_use).port != 5001);
    }
    CHECK(candidates->fresh() == 3);
}

TEST_CASE("a preferred port that is no candidate leaves them alone", "[unit]")
{
    const std::uint16_t preferred = GENERATE(1, 4999, 5004, 65535);
    auto candidates = make_candidates({5000, 5003});
    {
        port_hunt bound(candidates, preferred);
        CHECK(bound.start().port == preferred);
    }
    {
        port_hunt leased(candidates, preferred);
        CHECK(leased.start().port == preferred);
        leased.leased();
    }
    CHECK(candidates->fresh() == 4);
    {
        port_hunt next(candidates, preferred);
        CHECK(candidates->range().contains(next.refused(next.start().port, denied).port));
        CHECK(candidates->fresh() == 3);
    }
    CHECK(candidates->fresh() == 4);
}

TEST_CASE("where the preferred port was denied as all others were that is the error",
          "[unit]")
{
    const auto first = GENERATE_REF(in_use, denied);
    port_hunt hunt(make_candidates({1, 3}), 80);
    auto step = hunt.refused(hunt.start().port, first);
    while (step.port != 0)
        step = hunt.refused(step.port, denied);
    CHECK(step.ec == (first == denied ? denied : berth::error::ports_exhausted));
}

TEST_CASE("a hunt counts the candidates that it named and those that were refused",
          "[unit]")
{
    auto candidates = make_candidates({5000, 5002});
    {
        port_hunt hunt(candidates);
        CHECK(hunt.tries() == 0);
        auto step = hunt.start();
        CHECK(hunt.tries() == 1);
        CHECK(hunt.refusals() == 0);
        while (step.port != 0)
            step = hunt.refused(step.port, hunt.tries() == 2 ? denied : in_use);
        CHECK(hunt.tries() == 3);
        CHECK(hunt.refusals() == 3);
    }
    port_hunt failed(candidates);
    (void)failed.refused(failed.start().port, no_memory);
    CHECK(failed.tries() == 1);
    CHECK(failed.refusals() == 0);
    CHECK(port_hunt(nullptr).tries() == 0);
}

TEST_CASE("a hunt without candidates leaves the choice to the system", "[unit]")
{
    port_hunt hunt(nullptr);
    CHECK(hunt.start().port == 0);
    CHECK(!hunt.start().ec);
    hunt.leased();
}

TEST_CASE("without candidates the preferred port comes before the system's choice",
          "[unit]")
{
    port_hunt hunt(nullptr, 5000);
    CHECK(hunt.start().port == 5000);
    const auto next = hunt.refused(5000, in_use);
    CHECK(next.port == 0);
    CHECK(!next.ec);

    port_hunt other(nullptr, 5000);
    const auto failed = other.refused(other.start().port, no_memory);
    CHECK(failed.port == 0);
    CHECK(failed.ec == no_memory);
}
