// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../fork_registry.hpp"

#include <liburing.h>

#include <cassert>
#include <cstdint>
#include <system_error>

namespace berth::detail {

/// RAII for `struct io_uring`; no policy. One thread uses it at a time. The child of a fork has neither
/// the descriptor nor the mappings: the object is of no use there and must not be destroyed.
class ring {
public:
    /// Throws std::system_error that names the call which failed.
    ring(unsigned entries, unsigned flags);
    ~ring();

    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;

    /// True in the process that made the ring.
    [[nodiscard]] bool is_own() const noexcept
    {
        return generation_ == fork_generation();
    }

    /// Throws std::system_error, not_supported, that names what the kernel lacks.
    void require_socket_operations();

    /// Returns how many more requests fit before the next submit().
    [[nodiscard]] unsigned room() const noexcept
    {
        return ::io_uring_sq_space_left(&ring_);
    }

    /// Returns the next request to fill; there must be room().
    [[nodiscard]] io_uring_sqe& next() noexcept
    {
        assert(room() != 0);
        return *::io_uring_get_sqe(&ring_);
    }

    /// Hands all requests to the kernel. After an error some may be left in the ring, which is then
    /// of no use any more.
    [[nodiscard]] std::error_code submit() noexcept;

    /// Returns the oldest completion, waiting for it if need be; null with the error.
    [[nodiscard]] io_uring_cqe* wait(std::error_code& ec) noexcept;

    /// Returns the oldest completion, null where there is none.
    [[nodiscard]] io_uring_cqe* peek() noexcept;

    /// Frees the place of a completion.
    void seen(io_uring_cqe* cqe) noexcept { ::io_uring_cqe_seen(&ring_, cqe); }

private:
    void close() noexcept;

    io_uring ring_ = {};
    const std::uint32_t generation_ = fork_generation();
};

} // namespace berth::detail
