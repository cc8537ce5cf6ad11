// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>

#include <cstdint>

// What fork() must not copy, or must not copy in the middle of a change. The kernel copies the table
// of descriptors before the memory: a socket that is closed between the two is in the child's
// table and not in the child's registry. Each system has its own implementation, chosen by
// Meson; where there is no fork() it does nothing.

namespace berth::detail {

/// Keeps fork() out while it lives: a descriptor is opened and registered, or taken out and
/// closed, a queue is changed, as one step. It is never held over the caller's code (handlers,
/// allocators).
///
/// A fork has priority: new guards wait for it, and it waits for those that are there, which
/// are short. A thread never waits for itself: it may fork inside its own guard, in a signal
/// handler for example, and may use berth inside the fork handlers of others; such a fork excludes
/// nobody. Both waits are bounded, since other fork handlers and locks of the
/// program may form a cycle with this one: what comes after the bound is a copy of a
/// socket in one child, not a hang.
class fork_guard {
public:
    fork_guard() noexcept;
    fork_guard(const fork_guard&) = delete;
    fork_guard& operator=(const fork_guard&) = delete;
    ~fork_guard();

private:
    const bool counted_;
};

/// Registers a descriptor that the child of a fork closes. To be called under the guard under
/// which it was opened.
void close_in_child(native_socket descriptor) noexcept;

/// Takes a descriptor out of the registry: the child keeps its copy.
void keep_in_child(native_socket descriptor) noexcept;

/// Returns a number that differs from that of every process from which this one was copied.
[[nodiscard]] std::uint32_t fork_generation() noexcept;

/// Sets the function that is called in the child of each fork, once the descriptors are closed.
/// Async-signal-safe is what it must be.
void call_in_child(void (*function)() noexcept) noexcept;

} // namespace berth::detail
