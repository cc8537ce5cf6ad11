// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <liburing.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>

// The requests that liburing learnt to prepare only after 2.3, the oldest release that berth is
// built with. One code path for all releases, so that what is tested is
// what runs. Numbers and layouts are the kernel's (include/uapi/linux/io_uring.h).

namespace berth::detail {

inline constexpr unsigned op_socket = 45;           // Linux 5.19
inline constexpr unsigned op_uring_cmd = 46;        // Linux 5.19; socket options: 6.7
inline constexpr unsigned op_fixed_fd_install = 54; // Linux 6.8
inline constexpr unsigned op_bind = 56;             // Linux 6.11
inline constexpr unsigned op_listen = 57;           // Linux 6.11

/// The socket that a request is for.
struct socket_at {
    int number;
    std::uint8_t flags; // IOSQE_FIXED_FILE: a slot of the ring's table, else a descriptor
};

inline socket_at in_slot(unsigned slot) noexcept
{
    return {static_cast<int>(slot), IOSQE_FIXED_FILE};
}

inline void prep_on(io_uring_sqe& sqe, unsigned operation, socket_at socket,
                    const void* address, unsigned length, std::uint64_t offset) noexcept
{
    ::io_uring_prep_rw(static_cast<int>(operation), &sqe, socket.number, address, length,
                       offset);
    sqe.flags = socket.flags;
    sqe.user_data = 0;
}

inline void prep_bind(io_uring_sqe& sqe, socket_at socket, const sockaddr* address,
                      socklen_t size) noexcept
{
    prep_on(sqe, op_bind, socket, address, 0, size);
}

inline void prep_connect(io_uring_sqe& sqe, socket_at socket, const sockaddr* address,
                         socklen_t size) noexcept
{
    prep_on(sqe, IORING_OP_CONNECT, socket, address, 0, size);
}

inline void prep_listen(io_uring_sqe& sqe, socket_at socket, int backlog) noexcept
{
    prep_on(sqe, op_listen, socket, nullptr, static_cast<unsigned>(backlog), 0);
}

/// The option's value is read when the request is issued: it must outlive the submission.
inline void prep_setsockopt(io_uring_sqe& sqe, socket_at socket, int level, int option,
                            const int& value) noexcept
{
    constexpr unsigned socket_op_setsockopt = 3;
    const std::array<int, 2> level_and_option = {level, option};
    prep_on(sqe, op_uring_cmd, socket, nullptr, 0, 0);
    sqe.cmd_op = socket_op_setsockopt;
    std::memcpy(&sqe.addr, level_and_option.data(), sizeof(sqe.addr));
    sqe.file_index = sizeof(value); // the option's length shares the field
    sqe.addr3 = reinterpret_cast<std::uintptr_t>(&value);
}

/// A descriptor for a direct one, close-on-exec.
inline void prep_install(io_uring_sqe& sqe, unsigned slot) noexcept
{
    prep_on(sqe, op_fixed_fd_install, in_slot(slot), nullptr, 0, 0);
}

} // namespace berth::detail
