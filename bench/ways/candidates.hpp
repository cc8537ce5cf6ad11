// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/port_range.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace bench {

/// The ephemeral ports in the kind of order in which berth tries them: the odd ones and then the
/// even ones, each shuffled; over and over.
class candidates {
public:
    /// Threads that work at once need different seeds, or they meet on each port.
    explicit candidates(unsigned seed)
    {
        const berth::port_range range = berth::port_range::system_ephemeral();
        for (const unsigned odd : {1U, 0U}) {
            const auto first = static_cast<std::ptrdiff_t>(ports_.size());
            for (unsigned port = range.first; port <= range.last; ++port)
                if (port % 2 == odd)
                    ports_.push_back(static_cast<std::uint16_t>(port));
            std::shuffle(ports_.begin() + first, ports_.end(), std::minstd_rand(seed));
        }
    }

    [[nodiscard]] std::uint16_t next()
    {
        at_ = at_ + 1 < ports_.size() ? at_ + 1 : 0;
        return ports_[at_];
    }

private:
    std::vector<std::uint16_t> ports_;
    std::size_t at_ = 0;
};

} // namespace bench
