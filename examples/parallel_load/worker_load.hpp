// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tally.hpp"

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

#include <cstdint>
#include <functional>

namespace load {

/// Where a worker does what concerns it as a whole.
using worker_strand = asio::strand<asio::io_context::executor_type>;

/// What a worker does in a round. Used on the worker's strand.
class worker_load {
public:
    /// Is told how many more ports were allocated and used.
    using progress = std::function<void(std::uint64_t)>;

    worker_load() = default;
    worker_load(const worker_load&) = delete;
    worker_load& operator=(const worker_load&) = delete;
    virtual ~worker_load() = default;

    /// Ends the servers of the round before, starts new ones, and talks to each of them.
    [[nodiscard]] virtual asio::awaitable<void> round() = 0;

    [[nodiscard]] virtual const tally& results() const = 0;
};

} // namespace load
