// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/port_lease.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace berth {

namespace detail {
class port_watch;
}

/// The port that is waited for: a number, or that of a lease, whose holder is not counted. Made
/// from either where a function takes it. The lease may be moved during the wait.
///
/// Threads: as an integer.
///
/// Example:
/// @code
/// berth::wait_until_listening(lease);
/// berth::wait_until_listening(8080);
/// @endcode
class watched_port {
public:
    // NOLINTNEXTLINE(google-explicit-constructor): a number will do where a port is watched
    watched_port(std::uint16_t number) noexcept : number_(number) {}

    // NOLINTNEXTLINE(google-explicit-constructor): and so will a lease
    watched_port(const port_lease& lease) noexcept
        : number_(lease.port()), leased_(true), lease_(lease.sockets_.last())
    {}

    /// The port; 0 for that of an empty lease.
    [[nodiscard]] std::uint16_t number() const noexcept { return number_; }

    /// Whether a lease was given.
    [[nodiscard]] bool leased() const noexcept { return leased_; }

private:
    friend class detail::port_watch;

    std::uint16_t number_;
    bool leased_ = false;
    detail::native_socket lease_ =
        detail::no_socket; // its last socket when the wait began
};

/// How long, and for whom, one waits. An aggregate, for designated initialisers.
///
/// Example:
/// @code
/// berth::wait_until_listening(lease, {.timeout = 5s, .child = pid, .process_tree = pid});
/// @endcode
struct wait_options {
    /// The wait ends after this time with `std::errc::timed_out`; zero: one look.
    std::chrono::steady_clock::duration timeout = std::chrono::seconds(30);

    /// A process without which there is nothing to wait for: when it ends, so does the wait, with
    /// `error::process_ended`: at once in the synchronous form, at the next look, within 16 ms, in
    /// the others. Linux; not asked by the wait for a release.
    std::optional<std::uint32_t> child = std::nullopt;

    /// The process that is to listen, itself or through a descendant of its. A listener that
    /// none of them has a descriptor of ends the wait with `error::wrong_owner`. The end of the
    /// process does not: name it as `child` too. Linux; not asked by the wait for a release.
    std::optional<std::uint32_t> process_tree = std::nullopt;
};

} // namespace berth
