// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace berth {

/// What berth has done in this process since it began; in the child of a fork(), since the fork.
/// An aggregate of numbers that only grow.
struct counters {
    /// Leases and bound sockets that were found, sockets of one's own among them; also those that
    /// a cancellation gave back.
    std::uint64_t granted = 0;

    /// Searches that found every candidate taken: requests that failed with
    /// `error::ports_exhausted`, and each look of those that wait (the option `wait`).
    std::uint64_t exhausted = 0;

    /// Candidates that were tried; where a port needs several sockets (transports, families,
    /// addresses) each is one. None where the choice is the system's (Windows, no `ports`).
    std::uint64_t tried = 0;

    /// Of these, those which the kernel refused: EADDRINUSE or EACCES.
    std::uint64_t refused = 0;

    /// Calls into a back end, each with the requests that were pending together, 32 at most, or
    /// with a round of one that needs several sockets. A socket of one's own is bound without.
    std::uint64_t batches = 0;

    /// Calls of io_uring_enter() that took requests. None with the other back ends, and none for
    /// the small batches that the io_uring back end leaves to system calls.
    std::uint64_t submissions = 0;

    /// Sockets of batches that did without io_uring because it does not work in this process or this
    /// thread; `available_backends()` says why.
    std::uint64_t fallback_unavailable = 0;

    /// The same, because memory (RLIMIT_MEMLOCK) or descriptors (RLIMIT_NOFILE) for a ring were
    /// short at the moment.
    std::uint64_t fallback_no_resources = 0;

    /// The same, because this thread may not submit, as under a seccomp filter that forbids
    /// io_uring_enter().
    std::uint64_t fallback_forbidden = 0;

    /// The same, because other threads used every ring at the moment.
    std::uint64_t fallback_busy = 0;

    /// The same, because the kernel failed otherwise.
    std::uint64_t fallback_broken = 0;

    /// What came to pass between two readings.
    [[nodiscard]] friend counters operator-(counters later,
                                            const counters& earlier) noexcept
    {
        later.granted -= earlier.granted;
        later.exhausted -= earlier.exhausted;
        later.tried -= earlier.tried;
        later.refused -= earlier.refused;
        later.batches -= earlier.batches;
        later.submissions -= earlier.submissions;
        later.fallback_unavailable -= earlier.fallback_unavailable;
        later.fallback_no_resources -= earlier.fallback_no_resources;
        later.fallback_forbidden -= earlier.fallback_forbidden;
        later.fallback_busy -= earlier.fallback_busy;
        later.fallback_broken -= earlier.fallback_broken;
        return later;
    }

    friend bool operator==(const counters&, const counters&) = default;
};

/// Reads them. An operation is counted before its answer is told.
///
/// Threads: any. While others are at work the numbers are not all of the same instant.
///
/// Example:
/// @code
/// const berth::counters before = berth::process_counters();
/// run_the_tests();
/// const berth::counters during = berth::process_counters() - before;
/// std::cout << during.granted << " ports, " << during.refused << " candidates refused\n";
/// @endcode
[[nodiscard]] counters process_counters() noexcept;

} // namespace berth
