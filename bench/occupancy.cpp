// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// What a number costs when others use much of the ephemeral range.

#include "crowded_ways.hpp"
#include "kit/program.hpp"

#include <fmt/format.h>

namespace {

using namespace bench;

constexpr unsigned in_flight = 64;

struct amounts {
    std::size_t operations; ///< Of one round of the ways that choose the port themselves.
    std::size_t slow_operations; ///< Of one round of those that leave it to the kernel.
    std::size_t first_pass;      ///< Enough to meet each candidate.
    unsigned rounds;
};

bool is_slow(const std::string& way)
{
    return way == "original" || way == "Asio" || way == "libuv" || way == "Python";
}

void measure_at(unsigned percent, spread how, const std::vector<std::string>& names,
                const amounts& its, results& out)
{
    // The bare loop would have to hunt as berth does.
    std::vector<std::string> here = names;
    std::erase(here, "bare ring");

    const crowded_ways there(percent, how);
    std::vector<nlohmann::json> rows;
    std::vector<contender> turns;
    for (const std::string& name : here) {
        const std::size_t operations =
            is_slow(name) ? its.slow_operations : its.operations;
        nlohmann::json row = {
            {"way", name}, {"percent", percent}, {"spread", to_string(how)}};
        row["first"] = there.measure(name, operations, in_flight).wall;
        if (!is_slow(name)) // the kernel remembers nothing
            (void)there.measure(name, its.first_pass, in_flight);
        rows.push_back(row);
        turns.push_back(there.contend(name, operations, in_flight));
    }
    const auto found = alternate(turns, its.rounds);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i]["steady"] = found[i].wall();
        if (here[i] != "Python") // which is a process of its own
            rows[i]["cpu"] = found[i].cpu();
        out.add(rows[i]);
    }
}

int run(extent how_much, results& out)
{
    const bool smoke = how_much == extent::smoke;
    const amounts its = smoke ? amounts{64, 4, 64, 1} : amounts{5'120, 64, 30'000, 3};
    const auto names = possible_ways(
        goods::number, [&out](const std::string& reason) { out.skip(reason); });
    for (const spread how : {spread::by_bind, spread::by_chance}) {
        out.table(
            fmt::format("find+drop, {} in flight; ports {}", in_flight, to_string(how)),
            {{"way", "way", 20},
             {"percent", "% in use", 9},
             {"first", "first us", 11, 2},
             {"steady", "steady us", 11, 2},
             {"cpu", "CPU us", 11, 2}});
        try {
            for (const unsigned percent : {0U, 25U, 50U, 75U, 90U, 95U, 99U})
                measure_at(percent, how, names, its, out);
        } catch (const not_possible_here& e) {
            out.skip(e.what());
        }
    }
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return bench::run_program(argc, argv, "The cost of a number in a crowded range", run);
}
