// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "catch.hpp"

#include <berth/backend.hpp>
#include <berth/port_range.hpp>

#include <sys/resource.h>

#include <array>
#include <cstddef>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// Pieces of tests that run in processes of their own. The test framework may not be used
// there: a piece throws where something is wrong, and its parent reports the verdict.

namespace berth::testing {

/// Thrown by a piece of a test that this machine, or this user, does not allow.
class not_possible_here : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// How a piece of a test ended; the text is empty where it passed.
struct verdict {
    std::string text;
    bool skipped = false;
};

/// Runs a function in a process of its own.
[[nodiscard]] verdict in_process(const std::function<void()>& body);

/// The ports of the neighbours in a private network: no ephemeral range of a test, and no port that
/// it names, may be in here.
inline constexpr port_range neighbour_ports = {8000, 8099};

/// The same, in a network of its own with this range of ephemeral ports, beside sockets of every
/// kind and leases of another process.
[[nodiscard]] verdict in_network(port_range ephemeral, const std::function<void()>& body);

/// The same, in a network where nobody comes or goes. Where that is not allowed, in the present
/// one, and again if need be: another program may have come in between.
[[nodiscard]] verdict in_quiet_network(const std::function<void()>& body);

/// Writes one of the settings of net.ipv4 in such a network.
void write_network_setting(const std::string& name, const std::string& value);

/// Runs a function in a process of its own, throws unless it passes: for a process that
/// has a verdict of its own to give.
void elsewhere(const std::function<void()>& body);

/// Throws, unless it holds.
void expect(bool holds, const std::string& what);

/// Throws, with both values, unless they are equal.
template <class Got, class Wanted>
void expect_equal(const Got& got, const Wanted& wanted, const std::string& what)
{
    if (got == wanted)
        return;
    std::ostringstream text;
    text << what << ": got " << got << ", not " << wanted;
    throw std::runtime_error(text.str());
}

/// Whether something comes true within ample time: for what the kernel does soon, but not
/// at once.
[[nodiscard]] bool eventually(const std::function<bool()>& true_now);

/// Throws not_possible_here where a back end does not work in this process.
void need(backend which);

/// Gives up for good what root, or the owner of a user namespace, may do. Root becomes
/// "nobody".
void become_ordinary();

/// Whether this process can become another user.
[[nodiscard]] bool can_change_user();

/// The number of this process's descriptors whose link in /proc contains a text.
[[nodiscard]] std::size_t open_descriptors_of(const std::string& kind);

/// The link of a ring.
inline const std::string ring = "anon_inode:[io_uring]";

/// SIGKILL for this process when its parent ends.
void end_with_parent();

/// Sets the soft limit of this process, and sets it back.
class soft_limit {
public:
    using resource = decltype(RLIMIT_NOFILE);

    soft_limit(resource which, rlim_t value);
    soft_limit(const soft_limit&) = delete;
    soft_limit& operator=(const soft_limit&) = delete;
    ~soft_limit();

private:
    resource which_;
    rlimit before_ = {};
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BERTH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BERTH_SANITIZED 1
#endif
#endif
#ifndef BERTH_SANITIZED
#define BERTH_SANITIZED 0
#endif

/// Leaves this process so many descriptors to open and no more, while it lives.
class full_table {
public:
    explicit full_table(std::size_t left);
    full_table(const full_table&) = delete;
    full_table& operator=(const full_table&) = delete;
    ~full_table();

private:
    soft_limit limit_;
    std::vector<int> fillers_;
};

/// Holds forked processes back until the one that made it lifts it or is gone.
class barrier {
public:
    barrier();
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;
    ~barrier();

    /// In the process that holds the others back.
    void lift() noexcept;

    /// In the others.
    void wait() noexcept;

private:
    std::array<int, 2> ends_ = {-1, -1};
};

} // namespace berth::testing

/// Leaves a test case whose children need memory while other threads are at work: a sanitizer's
/// allocator may be locked by one of these at the fork, and stays so in the child.
#define BERTH_NEEDS_FORKS_BESIDE_THREADS()                                               \
    do {                                                                                 \
        if (BERTH_SANITIZED != 0)                                                        \
            BERTH_SKIP(                                                                  \
                "a sanitizer's allocator may stay locked in the child of a fork");       \
    } while (false)

/// Takes a verdict for that of the running test case.
#define BERTH_PASSES(...)                                                                \
    do {                                                                                 \
        const ::berth::testing::verdict ended = (__VA_ARGS__);                           \
        if (ended.skipped)                                                               \
            BERTH_SKIP(ended.text);                                                      \
        REQUIRE(ended.text == "");                                                       \
    } while (false)
