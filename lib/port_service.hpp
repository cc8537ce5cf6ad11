// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "backend.hpp"

#include <berth/detail/operation.hpp>

#include <asio/execution_context.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

namespace berth::detail {

/// The pending operations of one context. It lives as long as the last of them, for a handler
/// may outlive the context that its executor names.
class operation_queue {
public:
    void join(operation& op) noexcept;
    void turn(operation& op) noexcept;
    void leave(operation& op) noexcept;

    /// The context is gone: nothing is allocated any more.
    void close() noexcept;

private:
    using state = operation::state;
    static constexpr unsigned batches_apart = 256;

    [[nodiscard]] static bool is_running(const operation& op) noexcept;
    void unlink(operation& op) noexcept;
    std::size_t take_batch(operation& op,
                           std::array<operation*, max_batch>& batch) noexcept;
    void finish(std::span<operation* const> batch) noexcept;

    std::mutex
        mutex_; // locked under a fork_guard only: the child of a fork finds it free
    std::atomic<std::uint32_t> batches_ =
        0; // that are done; a condition variable would wait for the
           // parent's threads when the child destroys it
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
