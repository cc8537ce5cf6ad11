// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/execution/blocking.hpp>
#include <asio/execution/context.hpp>
#include <asio/io_context.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace berth::testing {

/// An executor that names a context but keeps its work elsewhere, as Asio's documentation does for
/// handlers with priorities.
class manual_queue {
public:
    class executor_type {
    public:
        executor_type(manual_queue& queue, asio::io_context& context) noexcept
            : queue_(&queue), context_(&context)
        {}

        asio::io_context& query(asio::execution::context_t) const noexcept
        {
            return *context_;
        }

        static constexpr asio::execution::blocking_t::never_t
        query(asio::execution::blocking_t) noexcept
        {
            return {};
        }

        executor_type require(asio::execution::blocking_t::never_t) const noexcept
        {
            return *this;
        }

        template <class Function>
        void execute(Function function) const
        {
            auto shared = std::make_shared<Function>(std::move(function));
            queue_->work_.emplace_back([shared] { std::move (*shared)(); });
        }

        friend bool operator==(const executor_type&,
                               const executor_type&) noexcept = default;

    private:
        manual_queue* queue_;
        asio::io_context* context_;
    };

    void run()
    {
        while (!work_.empty()) {
            auto next = std::move(work_.front());
            work_.pop_front();
            next();
        }
    }

private:
    std::deque<std::function<void()>> work_;
};

} // namespace berth::testing
