// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "kit/measure.hpp"
#include "kit/network.hpp"

namespace bench {

/// The ways to a number, in a process in a private network where others hold a share of the
/// ephemeral ports.
class crowded_ways {
public:
    /// Throws not_possible_here.
    crowded_ways(unsigned percent, spread how);

    [[nodiscard]] cost measure(const std::string& name, std::size_t operations,
                               unsigned in_flight) const;

    /// As one that is run by turns with others. The object must outlive it.
    [[nodiscard]] contender contend(const std::string& name, std::size_t operations,
                                    unsigned in_flight) const;

private:
    helper process_;
};

} // namespace bench
