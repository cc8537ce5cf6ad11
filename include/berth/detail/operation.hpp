// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/request.hpp>

#include <asio/execution_context.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace berth::detail {

class operation_queue;
class waiter;

/// A pending request. It is owned by the handler that was posted for it, its *turn*, and waits
/// in the queue of its context. Whichever turn comes first allocates for all that wait, so that
/// what was asked for in one round of the executor goes out as one batch.
class operation {
public:
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Waits in the queue of the context. Throws std::bad_alloc.
    void join(asio::execution_context& context);

    /// The same for one that may wait, which goes to the end of its waiting line where there is
    /// one.
    void join(asio::execution_context& context, waiter& place);

    /// Makes sure of the answer, waiting where another thread is at work on it.
    void turn() noexcept;

    /// The same for one that may wait; false where its answer is still to be waited for, and then
    /// another turn is due.
    [[nodiscard]] bool turn(waiter& place) noexcept;

    /// From any thread: what is not answered yet will not be asked for any more.
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

    [[nodiscard]] bool cancelled() const noexcept
    {
        return cancelled_.load(std::memory_order_relaxed);
    }

    request asked;

protected:
    explicit operation(request&& what) noexcept : asked(std::move(what)) {}
    ~operation();

private:
    friend class operation_queue;

    enum class state : std::uint8_t { idle, queued, running, done };

    std::shared_ptr<operation_queue> queue_;

    // Written under the queue's mutex. The thread that sees `done` has the operation to itself.
    operation* previous_ = nullptr;
    operation* next_ = nullptr;
    std::atomic<state> state_ = state::idle;
    std::uint32_t generation_ = 0; // of forks, in which it is running

    std::atomic<bool> cancelled_ = false;
};

} // namespace berth::detail
