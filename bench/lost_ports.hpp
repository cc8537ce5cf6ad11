// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>

namespace bench {

/// How a process comes by a number.
enum class finder { berth, original, asio };

[[nodiscard]] std::string to_string(finder with);

struct losses {
    std::size_t found = 0;
    std::size_t lost = 0; ///< The server could not have the number.
    double seconds = 0;

    [[nodiscard]] double per_million() const
    {
        return found == 0 ? 0
                          : 1e6 * static_cast<double>(lost) / static_cast<double>(found);
    }
};

/// Processes that find numbers, do 20 ms of other things, and only then start a server on each,
/// which sets SO_REUSEADDR as most servers do and lives as long again. Each has 16 numbers under
/// way. The network is theirs alone where that is allowed.
[[nodiscard]] losses lost_ports(finder with, unsigned processes, std::size_t allocations);

} // namespace bench
