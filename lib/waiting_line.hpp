// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/request.hpp>
#include <berth/detail/waiter.hpp>

#include <asio/execution_context.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <random>

namespace berth::detail {

/// Those who wait for a port to come back: a line for each set of ports that is waited for, first
/// come, first served. Nobody in it holds anything.
///
/// Only the *front* of a line tries: when a port comes back, when it has become the front, and
/// now and then, since others give ports back without telling us. The front is the first whose
/// executor runs: who is not at work a while after he should be, because his context is stopped or
/// busy, keeps his place and does not hold up the others.
///
/// Threads: any. Its mutex is held while a waiter's virtual functions are called, never while a
/// handler or a user's destructor may run.
class waiting_line {
public:
    using clock = waiter::clock;

    static constexpr clock::duration first_pause = std::chrono::milliseconds(1);
    static constexpr clock::duration longest_pause = std::chrono::milliseconds(100);

    /// How long those behind the front sleep, and by how much one may be late.
    static constexpr clock::duration patience = std::chrono::seconds(1);

    [[nodiscard]] bool empty() const noexcept
    {
        return size_.load(std::memory_order_acquire) == 0;
    }

    // As the functions of waiter with these names.
    [[nodiscard]] bool line_up(waiter& one, clock::time_point now) noexcept;
    [[nodiscard]] bool awake(waiter& one, clock::time_point now) noexcept;
    [[nodiscard]] bool sleep(waiter& one, clock::time_point now) noexcept;
    void leave(waiter& one, clock::time_point now) noexcept;
    void rouse(waiter& one) noexcept;

    /// A port came back; `by_default`: those who name no ports want it.
    void returned(std::uint16_t port, bool by_default, clock::time_point now) noexcept;

    /// Nobody may use this context any more.
    void shut_down(const asio::execution_context& context) noexcept;

private:
    [[nodiscard]] bool contains(const waiter& one) const noexcept
    {
        return one.line_ == this;
    }

    [[nodiscard]] waiter** find_line(const waiter& like) noexcept;
    void append(waiter& one, clock::time_point now) noexcept;
    void remove(waiter& one, clock::time_point now) noexcept;
    [[nodiscard]] clock::duration next_pause(waiter& one, clock::time_point now) noexcept;
    static void signal(waiter* first, clock::time_point now) noexcept;
    static void end_sleep(waiter& one) noexcept;
    [[nodiscard]] static bool is_late(const waiter& one, clock::time_point now) noexcept;
    [[nodiscard]] static bool is_front(const waiter& one, clock::time_point now) noexcept;

    std::mutex mutex_;
    waiter* lines_ = nullptr; // the first of each
    std::atomic<std::size_t> size_ = 0;
    std::minstd_rand random_{std::random_device()()};
};

/// Fulfils a request that may wait, in the calling thread.
void allocate_patiently(request& asked) noexcept;

} // namespace berth::detail
