// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "ring.hpp"

#include "../counters.hpp"
#include "../fork_registry.hpp"
#include "compat.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>

namespace berth::detail {

namespace {

[[noreturn]] void fail(int negative_errno, const char* call)
{
    throw std::system_error(-negative_errno, std::system_category(), call);
}

} // namespace

ring::ring(unsigned entries, unsigned flags)
{
    const fork_guard guard;
    if (const int result = ::io_uring_queue_init(entries, &ring_, flags); result < 0)
        fail(result, "io_uring_setup");
    close_in_child(ring_.ring_fd);
    // A mapping keeps the ring alive as a descriptor does.
    if (const int result = ::io_uring_ring_dontfork(&ring_); result < 0) {
        close();
        fail(result, "madvise(MADV_DONTFORK)");
    }
}

ring::~ring()
{
    const fork_guard guard;
    close();
}

void ring::close() noexcept
{
    keep_in_child(ring_.ring_fd);
    ::io_uring_queue_exit(&ring_);
}

void ring::require_socket_operations()
{
    struct operation {
        int number;
        const char* name;
    };
    constexpr std::array needed = {
        operation{IORING_OP_SOCKET, "IORING_OP_SOCKET (Linux 5.19)"},
        operation{op_bind, "IORING_OP_BIND (Linux 6.11)"},
    };

    constexpr unsigned operations = 256;
    alignas(io_uring_probe)
        std::array<std::byte,
                   sizeof(io_uring_probe) + operations * sizeof(io_uring_probe_op)>
            memory = {};
    auto* const probe = reinterpret_cast<io_uring_probe*>(memory.data());
    const int result = ::io_uring_register_probe(&ring_, probe, operations);
    if (result < 0)
        fail(result, "io_uring_register(IORING_REGISTER_PROBE)");
    for (const operation& one : needed)
        if (::io_uring_opcode_supported(probe, one.number) == 0)
            fail(-EOPNOTSUPP, one.name);
}

std::error_code ring::submit() noexcept
{
    // Interrupted or short of memory before the first request: another attempt is in order, not
    // for ever. After the first one a chain may have been cut, and its rest must not run alone.
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
    io_uring_cqe* cqe = nullptr;
    int result = 0;
    do
        result = ::io_uring_wait_cqe(&ring_, &cqe);
    while (result == -EINTR);
    ec =
        result < 0 ? std::error_code(-result, std::system_category()) : std::error_code();
    return result < 0 ? nullptr : cqe;
}

io_uring_cqe* ring::peek() noexcept
{
    io_uring_cqe* cqe = nullptr;
    return ::io_uring_peek_cqe(&ring_, &cqe) == 0 ? cqe : nullptr;
}

} // namespace berth::detail
