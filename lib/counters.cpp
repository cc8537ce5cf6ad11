// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "counters.hpp"

#include <array>
#include <atomic>
#include <cstddef>

namespace berth {

namespace detail {

namespace {

constexpr std::array members = {
    &counters::granted,
    &counters::exhausted,
    &counters::tried,
    &counters::refused,
    &counters::batches,
    &counters::submissions,
    &counters::fallback_unavailable,
    &counters::fallback_no_resources,
    &counters::fallback_forbidden,
    &counters::fallback_busy,
    &counters::fallback_broken,
};
static_assert(members.size() * sizeof(std::uint64_t) == sizeof(counters));

constexpr std::size_t cache_line = 64;

// Every thread writes them: what others only read must not stand beside them.
struct alignas(cache_line) totals_of_process {
    std::array<std::atomic<std::uint64_t>, members.size()> of = {};
};

constinit totals_of_process totals;

} // namespace

void count(const counters& more) noexcept
{
    for (std::size_t i = 0; i < members.size(); ++i)
        if (const std::uint64_t number = more.*members[i])
            totals.of[i].fetch_add(number, std::memory_order_relaxed);
}

void reset_counters() noexcept
{
    for (auto& total : totals.of)
        total.store(0, std::memory_order_relaxed);
}

} // namespace detail

counters process_counters() noexcept
{
    counters now;
    for (std::size_t i = 0; i < detail::members.size(); ++i)
        now.*detail::members[i] = detail::totals.of[i].load(std::memory_order_relaxed);
    return now;
}

} // namespace berth
