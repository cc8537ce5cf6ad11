// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "measure.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace bench {

namespace {

std::vector<double> all(const series& of, double cost::*member)
{
    std::vector<double> values;
    for (const cost& one : of.rounds)
        values.push_back(one.*member);
    return values;
}

std::uint64_t nanoseconds(const timeval& time)
{
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(time.tv_usec) * 1000U;
}

} // namespace

std::uint64_t cpu_time() noexcept
{
    rusage used = {};
    ::getrusage(RUSAGE_SELF, &used);
    return nanoseconds(used.ru_utime) + nanoseconds(used.ru_stime);
}

cost measure(const way& which, const task& its)
{
    const std::uint64_t cpu = cpu_time();
    const std::uint64_t start = now();
    which.run(its);
    const double microseconds = 1e-3 / static_cast<double>(its.operations);
    return {static_cast<double>(now() - start) * microseconds,
            static_cast<double>(cpu_time() - cpu) * microseconds};
}

double median(std::vector<double> values)
{
    if (values.empty())
        return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

double series::wall() const
{
    return median(all(*this, &cost::wall));
}

double series::cpu() const
{
    return median(all(*this, &cost::cpu));
}

std::vector<contender> contenders(const std::vector<way>& ways, const task& its)
{
    std::vector<contender> all;
    for (const way& one : ways)
        all.push_back({one.name, [one, its] { return measure(one, its); }});
    return all;
}

std::vector<series> alternate(const std::vector<contender>& all, unsigned rounds)
{
    std::vector<series> measured;
    for (const contender& one : all) {
        measured.push_back({one.name, {}});
        (void)one.run();
    }
    for (unsigned round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::size_t turn = round % 2 == 0 ? i : all.size() - 1 - i;
            measured[turn].rounds.push_back(all[turn].run());
        }
    return measured;
}

double speedup(const series& one, const series& other)
{
    std::vector<double> ratios;
    for (std::size_t i = 0; i < one.rounds.size(); ++i)
        ratios.push_back(other.rounds.at(i).wall / one.rounds[i].wall);
    return median(std::move(ratios));
}

} // namespace bench
