// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "clock.hpp"
#include "ways/way.hpp"

#include <functional>
#include <string>
#include <vector>

namespace bench {

/// What an operation took in one round, in microseconds.
struct cost {
    double wall = 0;
    double cpu = 0;
};

/// Runs the task once, and divides by its operations.
[[nodiscard]] cost measure(const way& which, const task& its);

/// What a way cost in each of the rounds.
struct series {
    std::string name;
    std::vector<cost> rounds;

    [[nodiscard]] double wall() const;                         ///< The median.
    [[nodiscard]] double cpu() const;                          ///< The median.
    [[nodiscard]] double rate() const { return 1e6 / wall(); } ///< Operations per second.
};

/// What is run by turns with others.
struct contender {
    std::string name;
    std::function<cost()> run;
};

/// The same task for each of the ways.
[[nodiscard]] std::vector<contender> contenders(const std::vector<way>& ways,
                                                const task& its);

/// Runs each once in a round, and once before the first to get warm. Every other round goes
/// backwards, so that nobody always follows the same neighbour.
[[nodiscard]] std::vector<series> alternate(const std::vector<contender>& all,
                                            unsigned rounds);

[[nodiscard]] double median(std::vector<double> values);

/// How many times as fast `one` is as `other`: the median of the ratios within the rounds, for
/// what disturbs one in a round disturbs the other.
[[nodiscard]] double speedup(const series& one, const series& other);

} // namespace bench
