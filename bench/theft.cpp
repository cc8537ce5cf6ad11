// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// How many numbers are lost between their finding and the start of the server.

#include "kit/program.hpp"
#include "lost_ports.hpp"

namespace {

using namespace bench;

int run(extent how_much, results& out)
{
    // As many as a process finds in about three seconds. The million is for ratios.cpp.
    const std::size_t each = how_much == extent::smoke ? 32 : 2'048;

    out.table(
        "found, 20 ms of other work, bound by a server; 16 under way in each process",
        {{"way", "way", 20},
         {"processes", "processes", 10},
         {"found", "found", 10},
         {"lost", "lost", 10},
         {"per_million", "per million", 12},
         {"rate", "per second", 11}});
    for (const unsigned processes : {1U, 4U, 16U, 64U})
        for (const finder with : {finder::berth, finder::original, finder::asio}) {
            const losses its = lost_ports(with, processes, processes * each);
            out.add({{"way", to_string(with)},
                     {"processes", processes},
                     {"found", its.found},
                     {"lost", its.lost},
                     {"per_million", its.per_million()},
                     {"rate", static_cast<double>(its.found) / its.seconds}});
        }
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return bench::run_program(argc, argv, "Ports that others take in between", run);
}
