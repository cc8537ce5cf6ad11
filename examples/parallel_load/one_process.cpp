// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// The heavy load as far as it goes on Windows: the coroutine servers, in one process.

#include "echo_load.hpp"
#include "settings.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <exception>

namespace {

asio::awaitable<void> run_rounds(load::echo_load& servers, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; ++round)
        co_await servers.round();
}

// Whether no port was lost, and every client heard its own server.
bool run(load::settings its, load::method with)
{
    its.with = with;
    asio::io_context context(1);
    const auto strand = asio::make_strand(context);
    load::echo_load servers(strand, its, [](std::uint64_t) {});
    auto ended =
        asio::co_spawn(strand, run_rounds(servers, its.rounds), asio::use_future);
    context.run();
    ended.get();

    const load::tally& results = servers.results();
    const load::counts& sum = results.servers;
    fmt::print("{}: {} servers heard on {} ports, {} stolen, {} wrong answers, {} other "
               "failures; {:.0f} a second\n",
               load::to_string(with), sum.answered, results.allocations(), sum.stolen,
               sum.wrong, sum.failed, results.allocations_per_second());
    for (const std::string& message : results.messages)
        fmt::print("  {}\n", message);
    return sum.answered > 0 && sum.stolen + sum.wrong + sum.failed == 0;
}

} // namespace

int main(int argc, char** argv)
{
    try {
        const load::settings its = load::parse(argc, argv);
        fmt::print(
            "{} rounds of {} servers on bound ports and {} on numbers, in one process\n",
            its.rounds, its.servers, its.servers);
        const bool nothing_lost = run(its, load::method::berth);
        if (!its.only_berth)
            run(its, load::method::original);
        return nothing_lost ? 0 : 1;
    } catch (const load::no_run& e) {
        return e.status;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "09_parallel_load: %s\n", e.what());
        return 1;
    }
}
