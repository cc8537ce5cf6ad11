// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "candidate_ports.hpp"

#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace berth::detail {

/// The search for one port, without I/O: result of the last try in, what to do next out.
///
/// A port that is refused (EADDRINUSE, EACCES) leads to the next one; any other error ends the
/// search and is passed on. When each candidate was refused once the search has failed: with
/// `ports_exhausted`, or with EACCES where that was the reason every time.
///
/// @code
/// for (auto step = hunt.start(); step.port != 0;)
///     if (const std::error_code ec = try_to_bind(step.port))
///         step = hunt.refused(step.port, ec);
///     else
///         ...
/// @endcode
class port_hunt {
public:
    /// What to do next: try `port`, or, where it is 0, give up with `ec`.
    struct step {
        std::uint16_t port = 0;
        std::error_code ec;
    };

    explicit port_hunt(std::shared_ptr<candidate_ports> candidates) noexcept
        : candidates_(std::move(candidates))
    {}

    /// The first port to try.
    [[nodiscard]] step start();

    /// What to do after `port` failed with `ec`.
    [[nodiscard]] step refused(std::uint16_t port, std::error_code ec);

    /// The port was granted to a lease, which will tell when it comes back.
    void leased(std::uint16_t port) noexcept { candidates_->mark_busy(port); }

    /// The port was granted to a socket of the caller's, whose end nobody tells.
    void bound(std::uint16_t port) noexcept { candidates_->mark_fresh(port); }

private:
    std::shared_ptr<candidate_ports> candidates_;
    std::vector<bool> tried_; // empty until the first refusal
    bool all_denied_ = true;  // EACCES was the only reason so far
};

} // namespace berth::detail
