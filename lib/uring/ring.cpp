// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "ring.hpp"

#include "../counters.hpp"
#include "compat.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <string>

namespace berth::detail {

namespace {

[[noreturn]] void fail(int negative_errno, const char* call)
{
    throw std::system_error(-negative_errno, std::system_category(), call);
}

} // namespace

ring::ring(unsigned entries, unsigned flags, unsigned slots)
{
    int result = ::io_uring_queue_init(entries, &ring_, flags);
    if (result < 0)
        fail(result, "io_uring_setup");

    result = ::io_uring_register_files_sparse(&ring_, slots);
    if (result < 0) {
        ::io_uring_queue_exit(&ring_);
        fail(result, "io_uring_register(IORING_REGISTER_FILES2)");
    }
}

ring::~ring()
{
    ::io_uring_queue_exit(&ring_);
}

void ring::require_socket_operations()
{
    struct operation {
        unsigned number;
        const char* name;
    };
    constexpr std::array needed = {
        operation{op_socket, "IORING_OP_SOCKET (Linux 5.19)"},
        operation{op_uring_cmd, "IORING_OP_URING_CMD (Linux 5.19)"},
        operation{op_fixed_fd_install, "IORING_OP_FIXED_FD_INSTALL (Linux 6.8)"},
        operation{op_bind, "IORING_OP_BIND (Linux 6.11)"},
        operation{op_listen, "IORING_OP_LISTEN (Linux 6.11)"},
    };

    const std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(
        ::io_uring_get_probe_ring(&ring_), &::io_uring_free_probe);
    for (const operation& one : needed)
        if (probe == nullptr ||
            ::io_uring_opcode_supported(probe.get(), static_cast<int>(one.number)) == 0)
            fail(-EOPNOTSUPP, one.name);
}

std::error_code ring::submit() noexcept
{
    // Interrupted or short of memory before the first request: another attempt is in order, not
    // for ever. After that a chain may have been cut, whose rest must not run alone.
    constexpr int attempts = 100;
    int result = 0;
    for (int i = 0; i < attempts; ++i) {
        result = ::io_uring_submit(&ring_);
        if (result != -EINTR && result != -EAGAIN && result != -EBUSY &&
            result != -ENOMEM)
            break;
    }
    if (result < 0)
        return {-result, std::system_category()};
    if (result > 0)
        count({.submissions = 1});
    if (::io_uring_sq_ready(&ring_) != 0)
        return {ENOMEM, std::system_category()};
    return {};
}

io_uring_cqe* ring::wait(std::error_code& ec) noexcept
{
    io_uring_cqe* completion = nullptr;
    int result = 0;
    do
        result = ::io_uring_wait_cqe(&ring_, &completion);
    while (result == -EINTR);
    ec =
        result < 0 ? std::error_code(-result, std::system_category()) : std::error_code();
    return result < 0 ? nullptr : completion;
}

io_uring_cqe* ring::peek() noexcept
{
    io_uring_cqe* completion = nullptr;
    return ::io_uring_peek_cqe(&ring_, &completion) == 0 ? completion : nullptr;
}

void ring::disown() noexcept
{
    // The mappings count as well: while one is left the ring lives, and all that its slots hold.
    // Not a request of the kernel's ring is touched by this.
    ::io_uring_queue_exit(&ring_);
}

} // namespace berth::detail
