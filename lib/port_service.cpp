// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "port_service.hpp"

#include "allocator.hpp"

#include <asio/error.hpp>

#include <array>
#include <cassert>

namespace berth::detail {

asio::execution_context::id port_service::id;

void operation::join(asio::execution_context& context)
{
    queue_ = asio::use_service<port_service>(context).queue();
    queue_->join(*this);
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
    std::array<operation*, max_batch> batch = {};
    std::array<request*, max_batch> asked = {};
    std::size_t count = 0;
    {
        std::unique_lock lock(mutex_);
        answered_.wait(lock, [&] { return op.state_ != state::running; });
        if (op.state_ == state::done)
            return;
        assert(op.state_ == state::queued);
        unlink(op);
        if (closed_ || op.cancelled()) {
            op.asked.ec = asio::error::operation_aborted;
            op.state_ = state::done;
            return;
        }
        batch[count++] = &op;
        // Company from the far end of the queue: those turns come last, so that another
        // thread, whose turns come next, seldom finds its operation in our hands.
        for (operation* other = last_; other != nullptr && count < max_batch;) {
            operation* const before = other->previous_;
            if (!other->cancelled()) {
                unlink(*other);
                batch[count++] = other;
            }
            other = before;
        }
        for (std::size_t i = 0; i < count; ++i) {
            batch[i]->state_ = state::running;
            asked[i] = &batch[i]->asked;
        }
    }

    allocator::answer(std::span(asked).first(count));

    {
        // Whoever is done belongs to its turn alone, from the end of this lock on.
        const std::lock_guard lock(mutex_);
        for (std::size_t i = 0; i < count; ++i)
            batch[i]->state_ = state::done;
    }
    answered_.notify_all();
}

void operation_queue::leave(operation& op) noexcept
{
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [&] { return op.state_ != state::running; });
    if (op.state_ == state::queued)
        unlink(op);
}

void operation_queue::close() noexcept
{
    // The operations belong to handlers, which the executor drops.
    const std::lock_guard lock(mutex_);
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
