// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <liburing.h>

#include <cassert>
#include <system_error>

namespace berth::detail {

/// RAII for `struct io_uring` with a table of direct descriptors; no policy. The caller sees to
/// it that one thread uses it at a time.
class ring {
public:
    /// Throws std::system_error that names the call which failed.
    ring(unsigned entries, unsigned flags, unsigned slots);
    ~ring();

    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;

    /// Throws std::system_error, not_supported, that names what the kernel lacks.
    void require_socket_operations();

    /// How many more requests fit before the next submit().
    [[nodiscard]] unsigned room() const noexcept
    {
        return ::io_uring_sq_space_left(&ring_);
    }

    /// The next request to fill; there must be room().
    [[nodiscard]] io_uring_sqe& next() noexcept
    {
        assert(room() != 0);
        return *::io_uring_get_sqe(&ring_);
    }

    /// Hands all requests to the kernel.
    [[nodiscard]] std::error_code submit() noexcept;

    /// The oldest completion, waiting for it if need be; null with the error.
    [[nodiscard]] io_uring_cqe* wait(std::error_code& ec) noexcept;

    /// The oldest completion, if there is one.
    [[nodiscard]] io_uring_cqe* peek() noexcept;

    /// Done with a completion.
    void seen(io_uring_cqe* completion) noexcept
    {
        ::io_uring_cqe_seen(&ring_, completion);
    }

    /// Lets go of the ring, which stays the parent's: for the child of a fork. The object is of no
    /// use afterwards and must not be destroyed.
    void disown() noexcept;

private:
    io_uring ring_ = {};
};

} // namespace berth::detail
