// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "settings.hpp"
#include "tally.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace load {

/// One method under the load.
struct pass {
    method with;
    tally results;
};

/// All that there is to tell.
struct summary {
    settings its;
    std::string backend;
    std::vector<std::string> notes;
    std::vector<pass> passes;

    /// Whether berth lost no port, every client heard its own server, and no server
    /// failed.
    [[nodiscard]] bool nothing_lost() const;
};

/// How many allocations all passes will make, at most.
[[nodiscard]] std::uint64_t expected_allocations(const settings& its);

void print_heading(const summary& all);
void print_table(const summary& all);
void print_json(const summary& all);

} // namespace load
