// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "candidate_ports.hpp"

#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace berth::detail {

/// Which candidates a search has had, and whether EACCES was the only reason so far.
struct tried_ports {
    std::vector<bool> by_offset; // empty: none
    bool all_denied = true;
};

/// The search for one port, without I/O: result of the last try in, what to do next out. A
/// preferred port is tried before the candidates, of which it may be one.
///
/// A port that is refused (EADDRINUSE, EACCES) leads to the next one; any other error ends the
/// search and is passed on. When each candidate was refused once the search has failed: with
/// `ports_exhausted`, or with EACCES where that was the reason every time.
///
/// search() drives it where tries can be made one by one; who makes many at once takes the steps
/// himself.
class port_hunt {
public:
    /// What to do next: try `port`, or, where it is 0, give up with `ec`, or without an error leave
    /// the choice to the system, by bind() to port 0.
    struct step {
        std::uint16_t port = 0;
        std::error_code ec;
    };

    /// Without candidates the choice is the system's; 0 prefers no port. Several hunts for different
    /// ports may share what was tried: each candidate is then tried once by all together.
    explicit port_hunt(std::shared_ptr<candidate_ports> candidates,
                       std::uint16_t preferred = 0,
                       tried_ports* shared = nullptr) noexcept
        : candidates_(std::move(candidates)), preferred_(preferred), shared_(shared)
    {}

    /// For this port or none.
    [[nodiscard]] static port_hunt only(std::uint16_t port) noexcept
    {
        port_hunt hunt(nullptr, port);
        hunt.only_ = true;
        return hunt;
    }

    port_hunt(port_hunt&&) noexcept = default;
    port_hunt& operator=(port_hunt&&) = delete;

    /// The port that was tried last is a candidate again, unless it was refused or leased: it went
    /// to a socket of the caller's, whose end nobody tells, or the system failed at it.
    ~port_hunt()
    {
        if (candidates_ != nullptr && taken_ != 0)
            candidates_->give_back(taken_);
    }

    /// The first port to try; of a search that has begun, the port that is tried now.
    [[nodiscard]] step start();

    /// The port that is tried now; 0: none.
    [[nodiscard]] std::uint16_t current() const noexcept { return current_; }

    /// What to do after `port` failed with `ec`.
    [[nodiscard]] step refused(std::uint16_t port, std::error_code ec);

    /// Tries port after port, by `try_port(port) -> std::error_code`, until one is granted, which
    /// the step then names, or until there is none to try.
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

    /// The port was granted to a lease, which will tell when it comes back.
    void leased() noexcept { taken_ = 0; }

    /// How many ports it named, and how many of them were refused.
    [[nodiscard]] std::uint32_t tries() const noexcept { return tries_; }
    [[nodiscard]] std::uint32_t refusals() const noexcept { return refusals_; }

private:
    [[nodiscard]] step next(std::error_code otherwise);
    [[nodiscard]] tried_ports& tried() noexcept { return shared_ ? *shared_ : tried_; }
    void mark(std::uint16_t port);

    std::shared_ptr<candidate_ports> candidates_;
    std::uint16_t preferred_;
    bool only_ = false;
    std::uint16_t current_ = 0; // the port that is tried now
    std::uint16_t taken_ = 0;   // the same, where it is a candidate
    tried_ports tried_;
    std::uint32_t tries_ = 0;
    std::uint32_t refusals_ = 0;
    tried_ports* shared_; // in the place of tried_, where there is one
};

} // namespace berth::detail
