// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/backend.hpp>

#include <cstddef>
#include <string>

namespace bench {

enum class holder { berth, berth_by_calls, original };

[[nodiscard]] std::string to_string(holder with);

/// What it costs to hold many ports; microseconds.
struct holding {
    double take = 0;  ///< To take one of them.
    double more = 0;  ///< To find and drop another one while they are held.
    double drop = 0;  ///< To give one back.
    double bytes = 0; ///< Of user space: what the process has grown by in all.
};

/// In a process and a network of its own. Throws not_possible_here.
[[nodiscard]] holding hold_ports(holder with, std::size_t count);

} // namespace bench
