// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../posix/open_and_bind.hpp"
#include "ring.hpp"

#include <cstddef>
#include <span>
#include <system_error>

namespace berth::detail {

/// Opens and binds through a ring, a submission for each. Once the ring has failed the rest is done by
/// system calls.
///
/// IORING_OP_SOCKET and IORING_OP_BIND complete while they are submitted (io_socket() and
/// io_bind() in the kernel's io_uring/net.c never go to a worker), so that waiting for
/// completions does not wait. The options stay system calls: as requests, in chains or not, they
/// cost more (docs/performance.md).
class ring_calls final : public batch_calls {
public:
    explicit ring_calls(ring& through) noexcept : ring_(through) {}

    void open(std::span<allocation> batch) noexcept override;
    void bind(std::span<allocation* const> tries) noexcept override;

    /// Why the ring is of no use any more, and how many sockets it was asked for in vain.
    [[nodiscard]] const std::error_code& failure() const noexcept { return failure_; }

private:
    template <class Prepare, class Note>
    void run(std::size_t count, Prepare&& prepare, Note&& note) noexcept;

    ring& ring_;
    std::error_code failure_;
};

} // namespace berth::detail
