// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "port_hunt.hpp"

#include <berth/port_pattern.hpp>
#include <berth/port_set.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace berth::detail {

/// Where the process searches: the candidates of each set of ports that was asked for, and what
/// the system and the environment say of ports, read once. Threads: any.
class candidate_sets {
public:
    /// Throws std::system_error where what it must know of the system cannot be had now.
    candidate_sets();

    /// What is wrong with BERTH_PORT_RANGE, for requests that name no ports.
    [[nodiscard]] std::error_code default_error() const noexcept
    {
        return environment_error_;
    }

    /// The hunt of a request for one port. Throws std::system_error, no_ports.
    [[nodiscard]] port_hunt hunt(const std::optional<port_set>& ports,
                                 bool browser_safe = false, std::uint16_t preferred = 0);

    /// The ports with which the pattern can begin.
    [[nodiscard]] std::shared_ptr<candidate_ports>
    find(const std::optional<port_set>& wanted, bool browser_safe,
         const port_pattern& pattern);

    /// A lease gave its port back.
    void returned(std::uint16_t port) noexcept;

    /// Whether a request that names no ports may be given this one.
    [[nodiscard]] bool is_default(std::uint16_t port) const noexcept;

    /// The ports that such a request searches, or why it searches none, for a message.
    [[nodiscard]] std::string describe(const std::optional<port_set>& ports,
                                       bool browser_safe) const;

private:
    [[nodiscard]] bool is_left_to_system(const std::optional<port_set>& ports,
                                         bool browser_safe) const noexcept;

    const port_range ephemeral_range_;
    const std::vector<port_range> reserved_ports_;
    const std::string environment_; // the value of BERTH_PORT_RANGE
    std::error_code environment_error_;
    const port_set default_ports_;
    const std::optional<std::uint32_t> worker_; // our number, where a test runner tells

    std::mutex mutex_;
    std::vector<std::shared_ptr<candidate_ports>> sets_; // last used first
};

} // namespace berth::detail
