// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// Whole tests, many at once, in an empty and in a half full range.

#include "kit/measure.hpp"
#include "kit/network.hpp"
#include "kit/program.hpp"
#include "whole_tests.hpp"

#include <algorithm>

namespace {

using namespace bench;

nlohmann::json measure_at(unsigned percent, unsigned at_once, bool smoke)
{
    enter_private_network();
    need_descriptors(std::size_t{at_once} * 8 + 64);
    const crowd others(percent, spread::by_bind);
    const std::size_t tests = percent == 0 ? 4096U : std::max(at_once, 128U);
    const auto found =
        alternate(contenders(whole_tests(), {.operations = smoke ? at_once : tests,
                                             .in_flight = at_once}),
                  smoke ? 1 : 3);

    nlohmann::json rows;
    for (const series& one : found)
        rows.push_back({{"way", one.name},
                        {"percent", percent},
                        {"at_once", at_once},
                        {"rate", one.rate()},
                        {"wall", one.wall()},
                        {"cpu", one.cpu()}});
    return rows;
}

int run(extent how_much, results& out)
{
    const bool smoke = how_much == extent::smoke;
    out.table("whole tests", {{"way", "way", 20},
                              {"at_once", "at once", 8},
                              {"percent", "% in use", 9},
                              {"rate", "tests/s", 10},
                              {"wall", "wall us", 10, 1},
                              {"cpu", "CPU us", 10, 1}});
    for (const unsigned percent : {0U, 50U})
        for (const unsigned at_once : {1U, 8U, 64U, 512U}) {
            if (smoke && at_once > 8)
                break;
            try {
                const auto rows =
                    in_own_process([=] { return measure_at(percent, at_once, smoke); });
                for (const auto& row : rows)
                    out.add(row);
            } catch (const not_possible_here& e) {
                out.skip(e.what());
            }
        }
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return bench::run_program(argc, argv, "Whole tests per second", run);
}
