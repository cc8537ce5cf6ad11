// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/port_pattern.hpp>
#include <berth/port_set.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace berth::detail {

/// The ports of a set in the order in which they are tried: a hint, never a promise, for only
/// the kernel knows what is free.
///
/// Two queues. *Fresh* ports are believed free; the one that came back last is tried last, so
/// that a number is reused as late as possible. *Busy* ports were taken and have not come back:
/// they are leased, or somebody else has them; they are tried now and then, for others give
/// ports back without telling us, and as the last resort. Taking a port moves it to the end of
/// the busy ones.
///
/// Each process shuffles them in its own way. Those that know their numbers among the workers of a
/// test runner do it in one way, and begin at places which are spread over it: as long as none
/// comes to where another began they do not meet.
///
/// Threads: any.
class candidate_ports {
public:
    /// `ports` holds one at least. `ephemeral` is the first port of the system's ephemeral range.
    /// `browser_safe` leaves out what browsers block. `worker` is the number of this process. A
    /// rigid `pattern` leaves the ports with which it can begin.
    candidate_ports(const port_set& ports, std::span<const port_range> reserved,
                    std::minstd_rand random, std::uint16_t ephemeral = 0,
                    bool browser_safe = false,
                    std::optional<std::uint32_t> worker = std::nullopt,
                    const port_pattern& pattern = 1);

    candidate_ports(const candidate_ports&) = delete;
    candidate_ports& operator=(const candidate_ports&) = delete;

    [[nodiscard]] const port_set& ports() const noexcept { return ports_; }
    [[nodiscard]] bool browser_safe() const noexcept { return browser_safe_; }
    [[nodiscard]] const port_pattern& pattern() const noexcept { return pattern_; }

    /// Whether nothing is left of the ports.
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    /// The number of candidates.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// From the lowest port to the highest.
    [[nodiscard]] port_range range() const noexcept { return range_; }

    /// The next port to try that is not marked in `tried`, by its offset in the range; an empty
    /// `tried` marks none. 0 when all are marked.
    [[nodiscard]] std::uint16_t take(const std::vector<bool>& tried) noexcept;

    /// Takes this port, where it is a candidate.
    [[nodiscard]] bool take_port(std::uint16_t port) noexcept;

    /// The port came back, or went where its return cannot be seen.
    void give_back(std::uint16_t port) noexcept;

    /// Counts the ports that are believed free, one by one.
    [[nodiscard]] std::size_t fresh() noexcept;

private:
    // One link for each offset in the range, then the heads of the two rings.
    using index = std::uint32_t;

    struct link {
        index previous;
        index next;
    };

    void unlink(index at) noexcept;
    void append(index ring, index at) noexcept;
    void make_busy(index at) noexcept;
    [[nodiscard]] std::uint16_t take_from(index ring,
                                          const std::vector<bool>& tried) noexcept;

    const port_set ports_;
    const bool browser_safe_;
    const port_pattern pattern_;
    const port_range range_;
    const index fresh_;
    const index busy_;
    std::size_t size_ = 0;
    std::mutex mutex_;
    std::vector<link> links_;
    std::uint32_t taken_ = 0;
};

} // namespace berth::detail
