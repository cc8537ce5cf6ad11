// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "histogram.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <numeric>

namespace bench {

namespace {

constexpr std::size_t per_octave = 64;
constexpr std::size_t octaves = 36; // up to more than an hour
constexpr std::size_t buckets = per_octave * octaves;

// The numbers below 128 have a bucket each. Of others the leading seven bits count.
std::size_t bucket_of(std::uint64_t value) noexcept
{
    const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - 7);
    return std::min(per_octave * static_cast<std::size_t>(shift) + (value >> shift),
                    buckets - 1);
}

std::uint64_t highest_in(std::size_t bucket) noexcept
{
    if (bucket < 2 * per_octave)
        return bucket;
    const std::size_t shift = bucket / per_octave - 1;
    return ((bucket - per_octave * shift + 1) << shift) - 1;
}

} // namespace

histogram::histogram() : counts_(buckets) {}

void histogram::add(std::uint64_t nanoseconds, std::uint64_t times) noexcept
{
    std::atomic_ref(counts_[bucket_of(nanoseconds)])
        .fetch_add(times, std::memory_order_relaxed);
}

void histogram::add(const histogram& other) noexcept
{
    std::ranges::transform(counts_, other.counts_, counts_.begin(), std::plus());
}

double histogram::percentile(double percent) const noexcept
{
    const auto total = std::accumulate(counts_.begin(), counts_.end(), std::uint64_t());
    auto left =
        static_cast<std::uint64_t>(std::ceil(percent / 100 * static_cast<double>(total)));
    for (std::size_t i = 0; i < buckets && left > 0; ++i) {
        if (counts_[i] >= left)
            return static_cast<double>(highest_in(i)) * 1e-3;
        left -= counts_[i];
    }
    return 0;
}

void to_json(nlohmann::json& to, const histogram& from)
{
    to = nlohmann::json::array();
    for (std::size_t i = 0; i < buckets; ++i)
        if (from.counts_[i] != 0)
            to.push_back({highest_in(i), from.counts_[i]});
}

void from_json(const nlohmann::json& from, histogram& to)
{
    to = histogram();
    for (const auto& entry : from)
        to.add(entry.at(0).get<std::uint64_t>(), entry.at(1).get<std::uint64_t>());
}

} // namespace bench
