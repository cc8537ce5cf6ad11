// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/operation.hpp>

#include <asio/execution_context.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>

namespace berth::detail {

/// The pending operations of one context. It lives as long as the last of them, for a handler
/// may outlive the context that its executor names.
class operation_queue {
public:
    void join(operation& op) noexcept;
    void turn(operation& op) noexcept;
    void leave(operation& op) noexcept;

    /// Whether a batch is due, which will close what was dropped before.
    [[nodiscard]] bool busy() noexcept;

    /// The context is gone: nothing is allocated any more.
    void close() noexcept;

private:
    using state = operation::state;
    static constexpr unsigned batches_apart = 256;

    void unlink(operation& op) noexcept;

    std::mutex mutex_;
    std::condition_variable answered_;
    operation* first_ = nullptr;
    operation* last_ = nullptr;
    unsigned apart_ = 0; // so many batches are taken from the far end
    bool closed_ = false;
};

/// What holds the queue in an Asio context.
class port_service final : public asio::execution_context::service {
public:
    static asio::execution_context::id id; // Asio's name for it

    explicit port_service(asio::execution_context& context) : service(context) {}

    [[nodiscard]] const std::shared_ptr<operation_queue>& queue() const noexcept
    {
        return queue_;
    }

private:
    void shutdown() noexcept override { queue_->close(); }

    const std::shared_ptr<operation_queue> queue_ = std::make_shared<operation_queue>();
};

} // namespace berth::detail
