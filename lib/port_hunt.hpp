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
/// search() drives it where tries can be made one by one; who makes many at once takes the steps
/// himself.
class port_hunt {
public:
    /// What to do next: try `port`, or, where it is 0, give up with `ec`.
    struct step {
        std::uint16_t port = 0;
        std::error_code ec;
    };

    /// No candidates: the choice is the system's, by bind() to port 0.
    port_hunt() noexcept = default;

    explicit port_hunt(std::shared_ptr<candidate_ports> candidates) noexcept
        : candidates_(std::move(candidates))
    {}

    [[nodiscard]] bool has_candidates() const noexcept { return candidates_ != nullptr; }

    /// The first port to try.
    [[nodiscard]] step start();

    /// What to do after `port` failed with `ec`.
    [[nodiscard]] step refused(std::uint16_t port, std::error_code ec);

    /// Tries port after port, by `try_port(port) -> std::error_code`, until one is granted, which
    /// the step then names, or until it gives up.
    template <class Try>
    [[nodiscard]] step search(Try&& try_port)
    {
        step next = start();
        while (next.port != 0) {
            const std::error_code ec = try_port(next.port);
            if (!ec)
                break;
            next = refused(next.port, ec);
        }
        return next;
    }

    /// The port was granted to a socket of the caller's, whose end nobody tells.
    void bound(std::uint16_t port) noexcept
    {
        if (has_candidates())
            candidates_->give_back(port);
    }

private:
    std::shared_ptr<candidate_ports> candidates_;
    std::vector<bool> tried_; // empty until the first refusal
    bool all_denied_ = true;  // EACCES was the only reason so far
};

} // namespace berth::detail
