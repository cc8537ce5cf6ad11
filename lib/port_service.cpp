// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "port_service.hpp"

#include "allocator.hpp"

#include <berth/detail/waiter.hpp>
#include <berth/error.hpp>

#include <asio/error.hpp>

#include <array>
#include <cassert>
#include <utility>

namespace berth::detail {

asio::execution_context::id port_service::id;

thread_local completion* completion::current = nullptr;

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

completion::completion(operation& op) noexcept
    : queue_(std::move(op.queue_)), outer_(std::exchange(current, this))
{}

completion::~completion()
{
    current = outer_;
    if (dropped_ && !queue_->busy())
        allocator::close_dropped();
}

bool completion::close_soon(lease_holder& from, std::uint32_t handle) noexcept
{
    if (current == nullptr)
        return false;
    current->dropped_ = true;
    from.close_soon(handle);
    return true;
}

void operation_queue::join(operation& op) noexcept
{
    const std::lock_guard lock(mutex_);
    op.state_ = state::queued;
    op.previous_ = last_;
    (last_ != nullptr ? last_->next_ : first_) = &op;
    last_ = &op;
}

void operation_queue::turn(operation& op) noexcept
{
    if (op.state_.load(std::memory_order_acquire) == state::done)
        return;

    std::array<operation*, max_batch> batch; // the first `count` of them
    std::array<request*, max_batch> asked;
    std::size_t count = 0;
    {
        std::unique_lock lock(mutex_);
        if (op.state_ == state::running) {
            apart_ = batches_apart;
            answered_.wait(lock, [&] { return op.state_ != state::running; });
        }
        if (op.state_ == state::done)
            return;
        assert(op.state_ == state::queued);
        unlink(op);
        if (closed_ || op.cancelled()) {
            op.asked.ec = asio::error::operation_aborted;
            op.state_ = state::done;
        } else {
            batch[count++] = &op;
            // Company from the near end of the queue, whose turns come next and find all at
            // hand; where another thread takes turns as well from the far end, that it may
            // seldom find its operation in our hands.
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
            for (std::size_t i = 0; i < count; ++i) {
                batch[i]->state_.store(state::running, std::memory_order_relaxed);
                asked[i] = &batch[i]->asked;
            }
        }
    }

    if (count == 0) {
        allocator::close_dropped();
        return;
    }
    allocator::answer(std::span(asked).first(count));
    allocator::close_dropped();

    {
        // Whoever is done belongs to its turn alone, from this moment on.
        const std::lock_guard lock(mutex_);
        for (std::size_t i = 0; i < count; ++i)
            batch[i]->state_.store(state::done, std::memory_order_release);
    }
    answered_.notify_all();
}

void operation_queue::leave(operation& op) noexcept
{
    if (op.state_.load(std::memory_order_acquire) == state::done)
        return;
    {
        std::unique_lock lock(mutex_);
        answered_.wait(lock, [&] { return op.state_ != state::running; });
        if (op.state_ != state::queued)
            return;
        unlink(op);
    }
    allocator::close_dropped();
}

bool operation_queue::busy() noexcept
{
    const std::lock_guard lock(mutex_);
    return first_ != nullptr;
}

void operation_queue::close() noexcept
{
    {
        // The operations belong to handlers, which the executor drops.
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    allocator::close_dropped();
}

void operation_queue::unlink(operation& op) noexcept
{
    (op.previous_ != nullptr ? op.previous_->next_ : first_) = op.next_;
    (op.next_ != nullptr ? op.next_->previous_ : last_) = op.previous_;
    op.previous_ = nullptr;
    op.next_ = nullptr;
}

} // namespace berth::detail
