// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// Allocations per second: from 1 to 512 under way, on one thread and on two, and in up to 64
// processes.

#include "kit/helper.hpp"
#include "kit/measure.hpp"
#include "kit/program.hpp"
#include "kit/system_calls.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace {

using namespace bench;

std::vector<column> columns(const column& first)
{
    return {{"way", "way", 27},         first,
            {"rate", "per second", 11}, {"wall", "wall us", 9, 2},
            {"cpu", "CPU us", 9, 2},    {"calls", "calls", 7, 2},
            {"p50", "p50 us", 9, 1},    {"p99", "p99 us", 9, 1},
            {"p99.9", "p99.9 us", 9, 1}};
}

void add_latencies(nlohmann::json& row, const histogram& latencies)
{
    for (const auto& [key, percent] :
         {std::pair("p50", 50.0), {"p99", 99.0}, {"p99.9", 99.9}})
        row[key] = latencies.percentile(percent);
}

nlohmann::json measure_calls(const way& which, const task& its, results& out)
{
    try {
        return system_calls_each(which, its);
    } catch (const not_possible_here& e) {
        out.skip(e.what());
        return "-";
    }
}

void on_one_context(goods what, unsigned threads, extent how_much, results& out)
{
    const bool smoke = how_much == extent::smoke;
    const auto names =
        possible_ways(what, [&out](const std::string& reason) { out.skip(reason); });
    out.table(fmt::format("{}, {} thread(s)", to_string(what), threads),
              columns({"in_flight", "in flight", 10}));
    for (const unsigned in_flight : {1U, 8U, 64U, 512U}) {
        const task its = {.operations = smoke ? 512U : 10'240U,
                          .in_flight = in_flight,
                          .threads = threads};
        std::vector<way> ways;
        for (const std::string& name : names)
            ways.push_back(make_way(name, what));
        if (threads > 1) {
            ways.insert(ways.begin() + 1, berth_on_own_contexts(what));
            std::erase_if(ways, [](const way& one) { return one.elsewhere; });
        }

        // Before the first run, so that what is watched inherits nothing.
        std::vector<nlohmann::json> rows;
        for (const way& one : ways) {
            nlohmann::json row = {{"way", one.name}, {"in_flight", in_flight}};
            if (threads == 1 && !one.elsewhere)
                row["calls"] = measure_calls(
                    one, {.operations = smoke ? 64U : 1024U, .in_flight = in_flight},
                    out);
            rows.push_back(row);
        }
        const auto found = alternate(contenders(ways, its), smoke ? 1 : 5);
        for (std::size_t i = 0; i < ways.size(); ++i) {
            rows[i]["rate"] = found[i].rate();
            rows[i]["wall"] = found[i].wall();
            if (!ways[i].elsewhere)
                rows[i]["cpu"] = found[i].cpu();
            // Timed apart, so that looking at the clock slows nothing.
            histogram latencies;
            task timed = its;
            timed.latencies = &latencies;
            ways[i].run(timed);
            add_latencies(rows[i], latencies);
            out.add(rows[i]);
        }
    }
}

// Each process takes part with a context of its own.
helper::service take_part(goods what, const std::string& name)
{
    const way mine = make_way(name, what);
    const auto run = [mine](const task& its) {
        const std::uint64_t start = now();
        const cost one = measure(mine, its);
        return nlohmann::json{{"start", start}, {"end", now()}, {"cpu", one.cpu}};
    };
    (void)run({.operations = 64, .in_flight = 8});
    return [run](const nlohmann::json& question) {
        histogram latencies;
        task its = {.operations = question.at("operations"), .in_flight = 8};
        if (question.at("timed"))
            its.latencies = &latencies;
        nlohmann::json answer = run(its);
        answer["latencies"] = latencies;
        return answer;
    };
}

struct together {
    helpers processes;
    std::size_t operations; // of each

    [[nodiscard]] cost run(histogram* latencies) const
    {
        const auto answers = ask_all(
            processes, {{"operations", operations}, {"timed", latencies != nullptr}});
        double cpu = 0;
        for (const auto& answer : answers) {
            cpu += answer.at("cpu").get<double>() / static_cast<double>(processes.size());
            if (latencies != nullptr)
                latencies->add(answer.at("latencies").get<histogram>());
        }
        const auto all = static_cast<double>(operations * processes.size());
        return {seconds_together(answers) * 1e6 / all, cpu};
    }
};

void in_processes(goods what, extent how_much, results& out)
{
    const bool smoke = how_much == extent::smoke;
    out.table(fmt::format("{}, 8 in flight in each process", to_string(what)),
              columns({"processes", "processes", 10}));
    const auto names =
        possible_ways(what, [&out](const std::string& reason) { out.skip(reason); });
    for (const unsigned processes : {1U, 4U, 16U, 64U}) {
        if (smoke && processes > 4)
            break;
        std::vector<together> all;
        std::vector<contender> turns;
        for (const std::string& name : names)
            all.push_back({make_helpers(processes, [=] { return take_part(what, name); }),
                           smoke ? 512 / processes : std::max(10'240 / processes, 512U)});
        for (std::size_t i = 0; i < names.size(); ++i)
            turns.push_back({names[i], [&all, i] { return all[i].run(nullptr); }});
        const auto found = alternate(turns, smoke ? 1 : 5);
        for (std::size_t i = 0; i < names.size(); ++i) {
            nlohmann::json row = {{"way", names[i]},
                                  {"processes", processes},
                                  {"rate", found[i].rate()},
                                  {"wall", found[i].wall()}};
            if (names[i] != "Python") // which is yet another process
                row["cpu"] = found[i].cpu();
            histogram latencies;
            (void)all[i].run(&latencies);
            add_latencies(row, latencies);
            out.add(row);
        }
    }
}

int run(extent how_much, results& out)
{
    for (const goods what : {goods::number, goods::acceptor})
        in_processes(what, how_much, out); // while this process has never had a thread
    for (const goods what : {goods::number, goods::acceptor})
        for (const unsigned threads : {1U, 2U})
            on_one_context(what, threads, how_much, out);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return bench::run_program(argc, argv, "Allocations per second, and their latency",
                              run);
}
