// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>

namespace bench {

/// Shares the operations among so many coroutines: `body` is given a share, and makes one of
/// it. What one throws comes out of run().
template <class Body>
void spawn_all(asio::io_context& context, std::size_t operations, std::size_t coroutines,
               const Body& body)
{
    for (std::size_t left = std::min(coroutines, operations); left > 0; --left) {
        const std::size_t share = operations / left;
        operations -= share;
        asio::co_spawn(context, body(share), [](std::exception_ptr failure) {
            if (failure)
                std::rethrow_exception(failure);
        });
    }
}

} // namespace bench
