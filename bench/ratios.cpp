// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// What berth must reach, as ratios within one run. Exits with 1 where one falls short; beside it
// stands what a bare loop over the same requests reaches, which tells whose the shortfall is.

#include "crowded_ways.hpp"
#include "held_leases.hpp"
#include "kit/measure.hpp"
#include "kit/program.hpp"
#include "lost_ports.hpp"

#include <fmt/format.h>

#include <string>

namespace {

using namespace bench;

class verdicts {
public:
    explicit verdicts(results& out) : out_(out)
    {
        out_.table("ratios", {{"what", "what", 62},
                              {"value", "measured", 10, 2},
                              {"limit", "wanted", 10},
                              {"verdict", "", 6},
                              {"cpu", "by CPU time", 12, 2},
                              {"bare", "bare loop", 10, 2}});
    }

    /// `bare` is what the kernel makes of the same requests with nothing around them: no more is
    /// to be had on this machine.
    void at_least(double limit, const std::string& what, const series& one,
                  const series& other, const series* bare = nullptr)
    {
        const double value = speedup(one, other);
        nlohmann::json beside = {{"cpu", other.cpu() / one.cpu()}};
        if (bare != nullptr)
            beside["bare"] = speedup(*bare, other);
        add(what, value, fmt::format(">= {:.2f}", limit), value >= limit, beside);
    }

    void at_most(double limit, const std::string& what, double value)
    {
        add(what, value, fmt::format("<= {:.2f}", limit), value <= limit);
    }

    [[nodiscard]] bool all_hold() const { return all_hold_; }

private:
    void add(const std::string& what, double value, const std::string& limit, bool holds,
             nlohmann::json row = nlohmann::json::object())
    {
        row.update({{"what", what},
                    {"value", value},
                    {"limit", limit},
                    {"verdict", holds ? "ok" : "SHORT"}});
        out_.add(row);
        all_hold_ = all_hold_ && holds;
    }

    results& out_;
    bool all_hold_ = true;
};

struct amounts {
    std::size_t operations; ///< Of one round.
    unsigned rounds;
    std::size_t slow_operations; ///< Of one round in a crowded range.
    unsigned slow_rounds;
    std::size_t thefts;
    std::size_t leases;
};

amounts amounts_for(extent how_much)
{
    switch (how_much) {
    case extent::full:
        return {20'480, 21, 192, 5, 1'000'000, 10'000};
    case extent::quick:
        return {10'240, 15, 96, 3, 50'000, 10'000};
    case extent::smoke:
        return {512, 1, 64, 1, 1'024, 100};
    }
    return {};
}

void alone_in_the_range(verdicts& all, const amounts& its)
{
    const way berth = berth_way(goods::number);
    const way by_calls = berth_way(goods::number, berth::backend::syscalls);
    const task many = {.operations = its.operations, .in_flight = 512};
    const task single = {.operations = its.operations};
    {
        const auto found = alternate(
            contenders({berth, original_way(goods::number), bare_ring_way(goods::number),
                        by_calls, bare_calls_way()},
                       many),
            its.rounds);
        all.at_least(3.0, "find+drop, 512 in flight: against the original", found[0],
                     found[1], &found[2]);
        all.at_least(0.8, "find+drop, 512 in flight: against a bare ring loop", found[0],
                     found[2]);
        all.at_least(1.0, "find+drop, system calls: against the original", found[3],
                     found[1], &found[4]);
    }
    {
        const auto found = alternate(
            contenders({berth, original_way(goods::number), bare_ring_way(goods::number)},
                       single),
            its.rounds);
        all.at_least(1.0, "find+drop, 1 in flight: against the original", found[0],
                     found[1], &found[2]);
    }
    {
        const auto found =
            alternate(contenders({berth_way(goods::acceptor), asio_way(goods::acceptor),
                                  bare_ring_way(goods::acceptor)},
                                 many),
                      its.rounds);
        all.at_least(1.6, "bind+listen+close, 512 in flight: against Asio's acceptor",
                     found[0], found[1], &found[2]);
    }
    {
        task on_two = many;
        on_two.threads = 2;
        const auto found =
            alternate({{"1 thread", [=] { return measure(berth, many); }},
                       {"2 threads", [=] { return measure(berth, on_two); }}},
                      its.rounds);
        all.at_least(1.3, "find+drop, 512 in flight: 2 threads against 1", found[1],
                     found[0]);
    }
}

void in_a_crowded_range(verdicts& all, const amounts& its)
{
    // Enough to meet each candidate of the range.
    const std::size_t first_pass = its.operations < 10'000 ? 64 : 30'000;
    constexpr unsigned in_flight = 64;

    const auto settled = [=](unsigned percent) {
        auto there = std::make_unique<crowded_ways>(percent, spread::by_bind);
        (void)there->measure("berth", first_pass, in_flight);
        (void)there->measure("berth, system calls", first_pass, in_flight);
        return there;
    };
    const auto against_original = [&](const crowded_ways& there, const std::string& name,
                                      const std::string& what) {
        const auto found =
            alternate({there.contend(name, its.slow_operations, in_flight),
                       there.contend("original", its.slow_operations, in_flight)},
                      its.slow_rounds);
        all.at_least(100, what, found[0], found[1]);
    };

    for (const unsigned percent : {50U, 75U, 90U, 95U}) {
        const auto there = settled(percent);
        against_original(
            *there, "berth",
            fmt::format("find+drop, {} % in use: against the original", percent));
        if (percent == 50)
            against_original(
                *there, "berth, system calls",
                "find+drop, 50 % in use, system calls: against the original");
        if (percent == 95) {
            const auto empty = settled(0);
            const auto found =
                alternate({there->contend("berth", its.operations, in_flight),
                           empty->contend("berth", its.operations, in_flight)},
                          its.rounds);
            all.at_most(1.5, "cost of find+drop, 95 % in use against 0 %",
                        speedup(found[1], found[0]));
        }
    }
}

int run(extent how_much, results& out)
{
    const amounts its = amounts_for(how_much);
    verdicts all(out);
    const auto attempt = [&out](const auto& part) {
        try {
            part();
        } catch (const not_possible_here& e) {
            out.skip(e.what());
        }
    };
    attempt([&] { alone_in_the_range(all, its); });
    attempt([&] { in_a_crowded_range(all, its); });
    attempt([&] {
        const losses found = lost_ports(finder::berth, 64, its.thefts);
        all.at_most(
            0, fmt::format("ports lost in {} allocations of 64 processes", found.found),
            static_cast<double>(found.lost));
    });
    attempt([&] {
        all.at_most(256,
                    fmt::format("bytes of user space for each of {} leases", its.leases),
                    hold_ports(holder::berth, its.leases).bytes /
                        static_cast<double>(its.leases));
    });
    return all.all_hold() || how_much == extent::smoke ? 0 : 1;
}

} // namespace

int main(int argc, char** argv)
{
    return bench::run_program(argc, argv, "berth against its rivals, as ratios", run);
}
