// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/request.hpp>

#include <asio/execution_context.hpp>

#include <chrono>

namespace berth::detail {

class waiting_line;

/// A request that may wait for a port, and its place in the process's waiting line. It is awake
/// while its owner is at work for it, and asleep until somebody wakes it or its alarm goes off.
/// The owner leaves the line before anything ends that wake() needs.
class waiter {
public:
    using clock = std::chrono::steady_clock;

    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    /// At the call: joins the line where others wait for the same ports; false: nobody does.
    [[nodiscard]] bool line_up() noexcept;

    /// The owner is at work again; true: to try.
    [[nodiscard]] bool awake() noexcept;

    /// Sleeps, in the line. False: the time is up, or the alarm could not be set.
    [[nodiscard]] bool sleep() noexcept;

    /// Does not wait any more.
    void leave() noexcept;

    /// From any thread: ends its sleep, or else its next one at once.
    void rouse() noexcept;

protected:
    explicit waiter(const request& asked) noexcept;
    virtual ~waiter() = default;

    /// wake() is not called any more once this context is shut down. Throws std::bad_alloc.
    /// To be called when the context has all that wake() needs of it.
    void depend_on(asio::execution_context& context);

    // All of these are called with the line locked.

    /// Sets the alarm.
    [[nodiscard]] virtual bool arm(clock::time_point until) noexcept = 0;

    /// Sets it off.
    virtual void wake() noexcept = 0;

    /// The context is being shut down: parts with what belongs to it.
    virtual void disarm() noexcept {}

private:
    friend class waiting_line;

    const request& asked_;
    const clock::time_point deadline_;
    const asio::execution_context* context_ = nullptr;

    // Guarded by the line's mutex.
    const waiting_line* line_ =
        nullptr;              // where it stands; that of the parent after a fork
    waiter* ahead_ = nullptr; // none: it is the first
    waiter* behind_ = nullptr;
    waiter* last_ = nullptr;         // of a first: the end of its line
    waiter* other_line_ = nullptr;   // of a first: the next line's first
    clock::time_point due_ = {};     // when it is at work again, if its executor runs
    clock::time_point started_ = {}; // its last try
    clock::duration pause_;          // between two tries
    bool asleep_ = false;
    bool again_ = false; // not to sleep before another try
};

} // namespace berth::detail
