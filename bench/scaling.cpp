// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// What it costs to hold many ports at once.

#include "held_leases.hpp"
#include "kit/measure.hpp"
#include "kit/program.hpp"

namespace {

using namespace bench;

nlohmann::json median_of(const std::vector<holding>& rounds)
{
    nlohmann::json row;
    for (const auto& [key, member] : {std::pair("take", &holding::take),
                                      {"more", &holding::more},
                                      {"drop", &holding::drop},
                                      {"bytes", &holding::bytes}}) {
        std::vector<double> values;
        for (const holding& one : rounds)
            values.push_back(one.*member);
        row[key] = median(values);
    }
    return row;
}

int run(extent how_much, results& out)
{
    const bool smoke = how_much == extent::smoke;
    out.table("ports held at once", {{"way", "way", 20},
                                     {"held", "held", 8},
                                     {"take", "take us", 10, 2},
                                     {"more", "one more us", 12, 2},
                                     {"drop", "drop us", 10, 2},
                                     {"kib", "KiB in all", 11, 0}});
    const std::vector<holder> all = {holder::berth, holder::berth_by_calls,
                                     holder::original};
    for (const std::size_t held : {1U, 100U, 1'000U, 10'000U, 16'000U}) {
        if (smoke && held > 100)
            break;
        std::vector<std::vector<holding>> rounds(all.size());
        try {
            for (int round = 0; round < (smoke ? 1 : 3); ++round)
                for (std::size_t i = 0; i < all.size(); ++i)
                    rounds[i].push_back(hold_ports(all[i], held));
        } catch (const not_possible_here& e) {
            out.skip(e.what());
            continue;
        }
        for (std::size_t i = 0; i < all.size(); ++i) {
            nlohmann::json row = median_of(rounds[i]);
            row["way"] = to_string(all[i]);
            row["held"] = held;
            row["kib"] = row["bytes"].get<double>() / 1024;
            out.add(row);
        }
    }
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return bench::run_program(argc, argv, "The cost of holding many ports", run);
}
