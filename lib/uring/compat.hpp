// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <liburing.h>
#include <sys/socket.h>

// The request that liburing learnt to prepare only in 2.7, later than 2.3, the oldest release that
// berth is built with. One code path for all releases, so that what is tested is what runs.
// Number and layout are the kernel's (include/uapi/linux/io_uring.h).

namespace berth::detail {

inline constexpr int op_bind = 56; // Linux 6.11

inline void prep_bind(io_uring_sqe& sqe, int socket, const sockaddr* address,
                      socklen_t size) noexcept
{
    ::io_uring_prep_rw(op_bind, &sqe, socket, address, 0, size);
}

} // namespace berth::detail
