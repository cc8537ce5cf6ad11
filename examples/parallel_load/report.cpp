// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "report.hpp"

#include "programs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <span>
#include <string_view>

namespace load {

namespace {

// Microseconds, by nearest rank, of times in nanoseconds, the shortest first.
double percentile(std::span<const std::uint64_t> sorted, unsigned percent)
{
    if (sorted.empty())
        return 0;
    const std::size_t rank = (sorted.size() * percent + 99) / 100;
    return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1]) * 1e-3;
}

struct latency {
    double p50;
    double p99;
    double max;

    explicit latency(std::vector<std::uint64_t> times)
    {
        std::ranges::sort(times);
        p50 = percentile(times, 50);
        p99 = percentile(times, 99);
        max = percentile(times, 100);
    }
};

std::string in_microseconds(const std::vector<std::uint64_t>& times)
{
    const latency its(times);
    return fmt::format("{:.0f} / {:.0f} / {:.0f}", its.p50, its.p99, its.max);
}

std::string with_share(std::uint64_t part, std::uint64_t whole)
{
    if (part == 0 || whole == 0)
        return std::to_string(part);
    return fmt::format("{} ({:.2f} %)", part,
                       100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string describe(const counts& of_it)
{
    std::string text;
    const auto add = [&text](std::uint64_t number, std::string_view what) {
        if (number != 0)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number, what);
    };
    add(of_it.answered, "answered");
    add(of_it.stolen, "stolen");
    add(of_it.failed, "failed");
    if (!of_it.not_run.empty())
        text += fmt::format("{}not run: {}", text.empty() ? "" : ", ", of_it.not_run);
    return text;
}

using cell = std::function<std::string(const tally&)>;

void print_row(const summary& all, std::string_view name, const cell& of)
{
    fmt::print("{:<32}", name);
    for (const pass& one : all.passes)
        fmt::print("{:>28}", of(one.results));
    fmt::print("\n");
}

std::string number(std::uint64_t value)
{
    return std::to_string(value);
}

} // namespace

bool summary::nothing_lost() const
{
    return std::ranges::all_of(passes, [](const pass& one) {
        const counts sum = one.results.everything();
        return one.with != method::berth || sum.stolen + sum.wrong + sum.failed == 0;
    });
}

std::uint64_t expected_allocations(const settings& its)
{
    const std::uint64_t in_a_round = 2ULL * its.servers + known_programs().size();
    return in_a_round * its.rounds * (its.only_berth ? 1 : 2);
}

void print_heading(const summary& all)
{
    fmt::print(
        "{} rounds of {} servers on bound ports and {} on numbers, and one of each "
        "foreign program\n{} worker processes, {} thread(s) each, back end {}, seed {}\n",
        all.its.rounds, all.its.servers, all.its.servers, all.its.workers,
        all.its.threads, all.backend, all.its.seed);
    for (const std::string& note : all.notes)
        fmt::print("note: {}\n", note);
    std::fflush(stdout);
}

void print_table(const summary& all)
{
    fmt::print("\n{:<32}", "");
    for (const pass& one : all.passes)
        fmt::print("{:>28}", to_string(one.with));
    fmt::print("\n");

    const auto row = [&all](std::string_view name, const cell& of) {
        print_row(all, name, of);
    };
    row("servers heard", [](const tally& t) { return number(t.everything().answered); });
    row("ports allocated", [](const tally& t) { return number(t.allocations()); });
    row("  per second, used and heard",
        [](const tally& t) { return fmt::format("{:.0f}", t.allocations_per_second()); });
    row("bind, us: p50 / p99 / max",
        [](const tally& t) { return in_microseconds(t.binds); });
    row("find, us: p50 / p99 / max",
        [](const tally& t) { return in_microseconds(t.finds); });
    row("  since the round began, ms", [](const tally& t) {
        const latency its(t.waits);
        return fmt::format("{:.0f} / {:.0f} / {:.0f}", its.p50 / 1e3, its.p99 / 1e3,
                           its.max / 1e3);
    });
    row("ports stolen (of those found)",
        [](const tally& t) { return with_share(t.everything().stolen, t.finds.size()); });
    row("wrong answers", [](const tally& t) { return number(t.everything().wrong); });
    row("other failures", [](const tally& t) { return number(t.everything().failed); });
    for (const program& known : known_programs())
        row(known.name, [&known](const tally& t) {
            const auto found = t.programs.find(known.name);
            return found == t.programs.end() ? std::string() : describe(found->second);
        });

    fmt::print(
        "\n{}\n{}\n{}\n",
        "Times: berth's are taken around the co_await, with the turns of all others",
        "in the event loop; the original's around its system calls, for which the",
        "others wait. What compares is the time since the round began.");
    for (const pass& one : all.passes)
        for (const std::string& message : one.results.messages)
            fmt::print("{}: {}\n", to_string(one.with), message);
}

void print_json(const summary& all)
{
    const auto times = [](const std::vector<std::uint64_t>& of) {
        const latency its(of);
        return nlohmann::json{{"p50", its.p50}, {"p99", its.p99}, {"max", its.max}};
    };
    nlohmann::json passes = nlohmann::json::object();
    for (const pass& one : all.passes) {
        const tally& results = one.results;
        const counts sum = results.everything();
        nlohmann::json programs = nlohmann::json::object();
        for (const auto& [name, of_it] : results.programs)
            programs[name] = {{"answered", of_it.answered},
                              {"stolen", of_it.stolen},
                              {"wrong", of_it.wrong},
                              {"failed", of_it.failed},
                              {"not_run", of_it.not_run}};
        passes[to_string(one.with)] = {
            {"servers_heard", sum.answered},
            {"allocations", results.allocations()},
            {"allocations_per_second", results.allocations_per_second()},
            {"bind_microseconds", times(results.binds)},
            {"find_microseconds", times(results.finds)},
            {"since_round_microseconds", times(results.waits)},
            {"found", results.finds.size()},
            {"stolen", sum.stolen},
            {"wrong_answers", sum.wrong},
            {"failed", sum.failed},
            {"foreign", programs},
            {"messages", results.messages}};
    }
    const nlohmann::json object = {
        {"servers", all.its.servers}, {"rounds", all.its.rounds},
        {"workers", all.its.workers}, {"threads", all.its.threads},
        {"seed", all.its.seed},       {"backend", all.backend},
        {"notes", all.notes},         {"nothing_lost", all.nothing_lost()},
        {"methods", passes}};
    fmt::print("{}\n", object.dump(4));
}

} // namespace load
