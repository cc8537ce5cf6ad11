// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "port_service.hpp"

#include "allocator.hpp"
#include "fork_registry.hpp"

#include <berth/detail/waiter.hpp>
#include <berth/error.hpp>

#include <asio/error.hpp>

#include <array>
#include <cassert>
#include <utility>

namespace berth::detail {

asio::execution_context::id port_service::id;

namespace {

/// The lock of a queue, which fork() cannot find locked.
class queue_lock {
public:
    explicit queue_lock(std::mutex& mutex) : lock_(mutex) {}

private:
    const fork_guard guard_;
    const std::lock_guard<std::mutex> lock_;
};

} // namespace

void operation::join(asio::execution_context& context)
{
    queue_ = asio::use_service<port_service>(context).queue();
    queue_->join(*this);
}

void operation::join(asio::execution_context& context, waiter& place)
{
    queue_ = asio::use_service<port_service>(context).queue();
    if (!place.line_up())
        queue_->join(*this);
}

bool operation::turn(waiter& place) noexcept
{
    if (place.awake()) {
        if (state_.load(std::memory_order_relaxed) == state::idle)
            queue_->join(*this);
        queue_->turn(*this);
    } else {
        asked.ec = error::ports_exhausted; // as those ahead have found
    }
    if (asked.ec != error::ports_exhausted || cancelled())
        return true;
    state_.store(state::idle, std::memory_order_relaxed);
    return false;
}

void operation::turn() noexcept
{
    queue_->turn(*this);
}

operation::~operation()
{
    if (queue_ != nullptr)
        queue_->leave(*this);
}

// A batch that another thread had in hand at a fork goes on in the parent alone.
bool operation_queue::is_running(const operation& op) noexcept
{
    return op.state_ == state::running && op.generation_ == fork_generation();
}

void operation_queue::join(operation& op) noexcept
{
    const queue_lock lock(mutex_);
    op.state_ = state::queued;
    op.previous_ = last_;
    (last_ != nullptr ? last_->next_ : first_) = &op;
    last_ = &op;
}

void operation_queue::turn(operation& op) noexcept
{
    std::array<operation*, max_batch> batch; // the first `count` of them
    std::size_t count = 0;
    while (op.state_.load(std::memory_order_acquire) != state::done) {
        const std::uint32_t seen = batches_.load();
        count = take_batch(op, batch);
        if (count != 0)
            break;
        if (op.state_.load(std::memory_order_acquire) != state::done)
            batches_.wait(seen);
    }
    if (count == 0)
        return;

    std::array<request*, max_batch> asked;
    for (std::size_t i = 0; i < count; ++i)
        asked[i] = &batch[i]->asked;
    allocator::answer(std::span(asked).first(count));
    finish(std::span(batch).first(count));
}

// Takes the operation and others out of the queue; none where it is done, or in the hands of another
// thread.
std::size_t operation_queue::take_batch(operation& op,
                                        std::array<operation*, max_batch>& batch) noexcept
{
    const queue_lock lock(mutex_);
    if (is_running(op))
        apart_ = batches_apart;
    if (is_running(op) || op.state_ == state::done)
        return 0;
    if (op.state_ == state::running)
        op.asked.forget_answer(); // it was, before a fork
    else
        unlink(op);
    if (closed_ || op.cancelled()) {
        op.asked.ec = asio::error::operation_aborted;
        op.state_ = state::done;
        return 0;
    }

    std::size_t count = 0;
    batch[count++] = &op;
    // Company from the near end of the queue, whose turns come next and find all at hand; where
    // another thread takes turns as well from the far end, so that it may seldom find its operation
    // in our hands.
    const bool alone = apart_ == 0;
    if (!alone)
        --apart_;
    for (operation* other = alone ? first_ : last_;
         other != nullptr && count < max_batch;) {
        operation* const after = alone ? other->next_ : other->previous_;
        if (!other->cancelled()) {
            unlink(*other);
            batch[count++] = other;
        }
        other = after;
    }
    for (operation* const one : std::span(batch).first(count)) {
        one->generation_ = fork_generation();
        one->state_.store(state::running, std::memory_order_relaxed);
    }
    return count;
}

void operation_queue::finish(std::span<operation* const> batch) noexcept
{
    {
        // An operation that is done belongs to its turn alone, from this moment on.
        const queue_lock lock(mutex_);
        for (operation* const one : batch)
            one->state_.store(state::done, std::memory_order_release);
    }
    batches_.fetch_add(1);
    batches_.notify_all();
}

void operation_queue::leave(operation& op) noexcept
{
    while (op.state_.load(std::memory_order_acquire) != state::done) {
        const std::uint32_t seen = batches_.load();
        {
            const queue_lock lock(mutex_);
            if (op.state_ == state::queued)
                unlink(op);
            if (!is_running(op))
                return;
        }
        batches_.wait(seen);
    }
}

void operation_queue::close() noexcept
{
    // The operations belong to handlers, which the executor drops.
    const queue_lock lock(mutex_);
    closed_ = true;
}

void operation_queue::unlink(operation& op) noexcept
{
    (op.previous_ != nullptr ? op.previous_->next_ : first_) = op.next_;
    (op.next_ != nullptr ? op.next_->previous_ : last_) = op.previous_;
    op.previous_ = nullptr;
    op.next_ = nullptr;
}

} // namespace berth::detail
