// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "settings.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <thread>

namespace load {

namespace {

constexpr unsigned enough_allocations = 20'000;

const std::map<std::string, berth::backend> backends = {
    {"automatic", berth::backend::automatic},
    {"io_uring", berth::backend::io_uring},
    {"syscalls", berth::backend::syscalls},
    {"winsock", berth::backend::winsock},
};

const std::map<std::string, role> roles = {
    {"coordinator", role::coordinator},
    {"echo", role::echo},
    {"foreign", role::foreign},
};

const std::map<std::string, method> methods = {
    {"berth", method::berth},
    {"original", method::original},
};

template <class Value>
std::string name_in(const std::map<std::string, Value>& names, Value value)
{
    return std::ranges::find(names, value, [](const auto& one) { return one.second; })
        ->first;
}

} // namespace

std::string to_string(method which)
{
    return name_in(methods, which);
}

settings parse(int argc, char** argv)
{
    settings asked;
    CLI::App app(
        "Thousands of servers in many processes, each on a port of its own: with "
        "berth, and once more with bind(0), getsockname() and close().\n"
        "Exits with 0 if berth lost no port and every client was answered by its own "
        "server.");
    app.add_option(
           "--servers", asked.servers,
           "Coroutine servers at once on bound ports, and as many on numbers (1000)")
        ->check(CLI::Range(1U, 10'000U));
    app.add_option("--rounds", asked.rounds, "Rounds (until 20 000 ports were allocated)")
        ->check(CLI::Range(1U, 10'000U));
    app.add_option("--workers", asked.workers,
                   "Worker processes (one per core, at least 4)")
        ->check(CLI::Range(1U, 256U));
    app.add_option("--threads", asked.threads, "Threads of each worker (1)")
        ->check(CLI::Range(1U, 64U));
    std::string backend_name = "automatic";
    app.add_option("--backend", backend_name,
                   "automatic, io_uring, syscalls or winsock (automatic)")
        ->check(CLI::IsMember(backends).description(""));
    const auto* const seed =
        app.add_option("--seed", asked.seed, "Seed of the secrets and nonces (random)");
    app.add_flag("--json", asked.json, "Print one JSON object instead of the table");
    app.add_flag("--only-berth", asked.only_berth, "Leave out the original's method");

    // What the coordinator tells its workers is nobody else's business.
    std::string part_name = "coordinator";
    std::string method_name = "berth";
    app.add_option("--part", part_name)->check(CLI::IsMember(roles))->group("");
    app.add_option("--with", method_name)->check(CLI::IsMember(methods))->group("");
    app.add_option("--number", asked.number)->group("");
    app.add_option("--directory", asked.directory)->group("");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        throw no_run{app.exit(e) == 0 ? 0 : 2};
    }
    asked.backend = backends.at(backend_name);
    asked.part = roles.at(part_name);
    asked.with = methods.at(method_name);
    if (asked.part != role::coordinator)
        return asked;

    if (seed->empty())
        asked.seed = std::random_device()();
    if (asked.workers == 0)
        asked.workers = std::max(4U, std::thread::hardware_concurrency());
    asked.workers = std::min(asked.workers, asked.servers);
    if (asked.rounds == 0)
        asked.rounds = (enough_allocations - 1) / (2 * asked.servers) + 1;
    return asked;
}

std::vector<std::string> worker_command(const settings& worker)
{
    return {"/proc/self/exe",
            "--servers",
            std::to_string(worker.servers),
            "--threads",
            std::to_string(worker.threads),
            "--seed",
            std::to_string(worker.seed),
            "--backend",
            name_in(backends, worker.backend),
            "--part",
            name_in(roles, worker.part),
            "--with",
            name_in(methods, worker.with),
            "--number",
            std::to_string(worker.number),
            "--directory",
            worker.directory};
}

} // namespace load
