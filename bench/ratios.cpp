// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// What berth must reach, as ratios within one run, each beside what a bare loop over the same
// requests reaches. Guards against slowing down: exits with 1 where a ratio misses its goal by more
// than a shared machine's noise may cost.

#include "crowded_ways.hpp"
#include "kit/measure.hpp"
#include "kit/network.hpp"
#include "kit/program.hpp"
#include "lost_ports.hpp"
#include "whole_tests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace bench;

// A ratio may miss its goal by so much before it fails.
constexpr double tolerance = 0.9;

struct row {
    nlohmann::json cells;
    double reached; // the share of the goal, 1 or more where it is met

    [[nodiscard]] bool holds() const { return reached >= tolerance; }
};

using rows = std::vector<row>;

row make_row(const std::string& what, double value, const std::string& goal,
             double reached, nlohmann::json more = nlohmann::json::object())
{
    more.update({{"what", what}, {"value", value}, {"goal", goal}});
    return {std::move(more), reached};
}

// `bare` is the ratio that a bare loop over the same requests reaches in place of `one`: no more is
// to be had on this machine.
row at_least(double goal, const std::string& what, const series& one, const series& other,
             std::optional<double> bare = {})
{
    nlohmann::json more = {{"cpu", other.cpu() / one.cpu()}};
    if (bare)
        more["bare"] = *bare;
    const double value = speedup(one, other);
    return make_row(what, value, fmt::format(">= {:.2f}", goal), value / goal, more);
}

row at_most(double goal, const std::string& what, double value)
{
    return make_row(what, value, fmt::format("<= {:.2f}", goal), goal / value);
}

row none(const std::string& what, std::size_t count)
{
    return make_row(what, static_cast<double>(count), "none", count == 0 ? 1 : 0);
}

struct amounts {
    std::size_t operations; ///< Of one round.
    unsigned rounds;
    std::size_t slow_operations; ///< Of one round, where each takes milliseconds.
    unsigned slow_rounds;
    std::size_t tests; ///< Of one round of the main job.
    unsigned test_rounds;
    std::size_t thefts;
};

amounts amounts_for(extent how_much)
{
    switch (how_much) {
    case extent::full:
        return {8'192, 61, 64, 15, 2'048, 51, 1'000'000};
    case extent::quick:
        return {8'192, 31, 32, 9, 2'048, 21, 1'000'000};
    case extent::smoke:
        return {512, 1, 32, 1, 64, 1, 1'024};
    }
    return {};
}

// berth sends many requests through a ring where there is one.
way bare_loop_of_many(results& out)
{
    try {
        return bare_ring_way(goods::number);
    } catch (const not_possible_here& e) {
        out.skip(e.what());
        return bare_calls_way();
    }
}

rows find_many(const amounts& its, results& out)
{
    const auto found =
        alternate(contenders({berth_way(goods::number), bare_loop_of_many(out),
                              asio_way(goods::number), original_way(goods::number)},
                             {.operations = its.operations, .in_flight = 512}),
                  its.rounds);
    const series& berth = found[0];
    const series& bare = found[1];
    return {
        at_least(1.15, "find+drop, 512 in flight: against Asio's acceptor", berth,
                 found[2], speedup(bare, found[2])),
        at_least(0.9, "find+drop, 512 in flight: against the bare loop", berth, bare),
        at_least(0.92,
                 "find+drop, 512 in flight: against the original, which holds nothing",
                 berth, found[3], speedup(bare, found[3]))};
}

rows find_one(const amounts& its)
{
    const auto found =
        alternate(contenders({berth_way(goods::number), bare_calls_way(),
                              asio_way(goods::number), original_way(goods::number)},
                             {.operations = its.operations}),
                  its.rounds);
    const series& berth = found[0];
    const series& bare = found[1];
    return {at_least(1.05, "find+drop, 1 in flight: against Asio's acceptor", berth,
                     found[2], speedup(bare, found[2])),
            at_least(0.85,
                     "find+drop, 1 in flight: against the original, which holds nothing",
                     berth, found[3], speedup(bare, found[3]))};
}

rows bind_many(const amounts& its, results& out)
{
    std::vector<way> ways = {berth_way(goods::acceptor), asio_way(goods::acceptor)};
    try {
        ways.push_back(bare_ring_way(goods::acceptor));
    } catch (const not_possible_here& e) {
        out.skip(e.what());
    }
    const auto found = alternate(
        contenders(ways, {.operations = its.operations, .in_flight = 512}), its.rounds);
    std::optional<double> bare;
    if (found.size() > 2)
        bare = speedup(found[2], found[1]);
    return {at_least(1.05, "bind+listen+close, 512 in flight: against Asio's acceptor",
                     found[0], found[1], bare)};
}

rows on_two_threads(const amounts& its, results& out)
{
    const task one = {.operations = its.operations, .in_flight = 512};
    task two = one;
    two.threads = 2;
    std::vector<contender> turns = contenders({berth_way(goods::number)}, one);
    const auto add = [&](const way& which, const task& on) {
        turns.push_back(contenders({which}, on).front());
    };
    add(berth_on_own_contexts(goods::number), two);
    try {
        const way bare = bare_ring_way(goods::number);
        add(bare, one);
        add(bare, two);
    } catch (const not_possible_here& e) {
        out.skip(e.what());
    }
    const auto found = alternate(turns, its.rounds);
    double goal = 1.5;
    std::optional<double> bare;
    if (found.size() > 2) {
        bare = speedup(found[3], found[2]);
        // Where others keep the second processor busy, it is of no use to the bare loop either.
        goal = std::min(goal, 0.9 * *bare);
    }
    return {at_least(goal,
                     "find+drop, 512 in flight: two contexts on two threads against one",
                     found[1], found[0], bare)};
}

constexpr unsigned in_flight_in_a_crowd = 64;
constexpr const char* automatic = "berth";
constexpr const char* calls = "berth, system calls";

// A process that knows the range: it has met each candidate.
std::unique_ptr<crowded_ways> settled_in(unsigned percent, const amounts& its)
{
    const std::size_t first_pass = its.rounds == 1 ? 64 : 30'000;
    auto there = std::make_unique<crowded_ways>(percent, spread::by_bind);
    for (const char* const name : {automatic, calls})
        (void)there->measure(name, first_pass, in_flight_in_a_crowd);
    return there;
}

rows in_a_crowd(unsigned percent, const amounts& its)
{
    const auto there = settled_in(percent, its);
    const auto contend = [&](const std::string& name, std::size_t operations) {
        return there->contend(name, operations, in_flight_in_a_crowd);
    };
    // As few operations of berth would be over before the round has begun.
    const auto found = alternate({contend(automatic, 64 * its.slow_operations),
                                  contend(calls, 64 * its.slow_operations),
                                  contend("original", its.slow_operations)},
                                 its.slow_rounds);
    const std::string what = fmt::format("find+drop, {} % in use", percent);
    return {
        at_least(250, what + ": against the original", found[0], found[2]),
        at_least(250, what + ", system calls: against the original", found[1], found[2])};
}

rows crowded_against_empty(const amounts& its)
{
    const auto crowded = settled_in(95, its);
    const auto empty = settled_in(0, its);
    const auto found =
        alternate({crowded->contend(automatic, its.operations, in_flight_in_a_crowd),
                   empty->contend(automatic, its.operations, in_flight_in_a_crowd)},
                  its.rounds);
    return {at_most(1.2, "cost of find+drop, 95 % in use against 0 %",
                    speedup(found[1], found[0]))};
}

rows lost_by_many(const amounts& its)
{
    const losses found = lost_ports(finder::berth, 64, its.thefts);
    return {none(fmt::format("ports lost in {} allocations by 64 processes", found.found),
                 found.lost)};
}

// The servers of examples/09_parallel_load.cpp, as many as one of its processes has, but not that
// program: it waits 20 ms for each number and starts other people's programs, which is most of its
// time, and it runs one method after the other. Here nothing waits, and the methods take turns.
rows main_job_by_turns(const amounts& its)
{
    constexpr unsigned in_flight = 512;
    const helper process([]() -> helper::service {
        enter_private_network();
        need_descriptors(8 * in_flight + 64);
        return [methods = main_job()](const nlohmann::json& question) -> nlohmann::json {
            const std::string name = question.at("method");
            const way& method = *std::ranges::find(methods, name, &way::name);
            const cost found = measure(
                method, {.operations = question.at("tests"), .in_flight = in_flight});
            return {{"wall", found.wall}, {"cpu", found.cpu}};
        };
    });
    std::vector<contender> turns;
    for (const std::string method : {"berth", "original"})
        turns.push_back({method, [&process, &its, method]() -> cost {
                             process.ask({{"method", method}, {"tests", its.tests}});
                             const auto answer = process.hear();
                             return {answer.at("wall"), answer.at("cpu")};
                         }});
    const auto found = alternate(turns, its.test_rounds);
    return {at_least(
        1, "the main job, servers heard per second: against the original's method",
        found[0], found[1])};
}

// What falls short is measured once more, and the better result counts: another program's work
// seldom strikes twice. A port that was lost stays lost.
rows measure_patiently(const std::function<rows()>& part)
{
    rows first = part();
    if (std::ranges::all_of(first, &row::holds))
        return first;
    const rows second = part();
    for (std::size_t i = 0; i < first.size(); ++i)
        if (second[i].reached > first[i].reached)
            first[i] = second[i];
    return first;
}

int run(extent how_much, results& out)
{
    out.table("ratios", {{"what", "what", 68},
                         {"value", "measured", 10, 2},
                         {"bare", "bare loop", 10, 2},
                         {"cpu", "by CPU time", 12, 2},
                         {"goal", " goal", 9},
                         {"verdict", "", 6}});
    const bool smoke = how_much == extent::smoke;
    bool all_hold = true;
    const auto judge = [&](const rows& found) {
        for (row one : found) {
            one.cells["verdict"] =
                !one.holds() ? "SHORT" : (one.reached < 1 ? "near" : "ok");
            out.add(one.cells);
            all_hold = all_hold && one.holds();
        }
    };
    const auto attempt = [&](const std::function<rows()>& part) {
        try {
            judge(smoke ? part() : measure_patiently(part));
        } catch (const not_possible_here& e) {
            out.skip(e.what());
        }
    };

    const amounts its = amounts_for(how_much);
    attempt([&] { return find_many(its, out); });
    attempt([&] { return find_one(its); });
    attempt([&] { return bind_many(its, out); });
    for (const unsigned percent : {50U, 75U, 90U, 95U})
        attempt([&] { return in_a_crowd(percent, its); });
    attempt([&] { return crowded_against_empty(its); });
    attempt([&] { return on_two_threads(its, out); });
    judge(lost_by_many(its));
    attempt([&] { return main_job_by_turns(its); });
    return all_hold || smoke ? 0 : 1;
}

} // namespace

int main(int argc, char** argv)
{
    return bench::run_program(argc, argv, "berth against its rivals, as ratios", run);
}
