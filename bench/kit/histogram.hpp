// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <vector>

namespace bench {

/// Durations in nanoseconds, in buckets as HdrHistogram lays them out: 64 for each power of
/// two, so that what is read back is at most 1.6 % too high, whatever the magnitude.
class histogram {
public:
    histogram();

    /// Threads: any.
    void add(std::uint64_t nanoseconds, std::uint64_t times = 1) noexcept;
    void add(const histogram& other) noexcept;

    /// The value in microseconds that so many per cent do not exceed; 0 when empty.
    [[nodiscard]] double percentile(double percent) const noexcept;

    friend void to_json(nlohmann::json& to, const histogram& from);
    friend void from_json(const nlohmann::json& from, histogram& to);

private:
    std::vector<std::uint64_t> counts_;
};

} // namespace bench
