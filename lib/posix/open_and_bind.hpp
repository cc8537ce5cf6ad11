// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../backend.hpp"

#include <span>

namespace berth::detail {

/// The two steps of a batch that cost the most, for all of its sockets at once.
class batch_calls {
public:
    batch_calls() = default;
    batch_calls(const batch_calls&) = delete;
    batch_calls& operator=(const batch_calls&) = delete;
    virtual ~batch_calls() = default;

    /// Opens a socket for each; sets `ec` of those for which it fails.
    virtual void open(std::span<allocation> batch) noexcept = 0;

    /// Binds each to the port that its hunt names; sets `said`.
    virtual void bind(std::span<allocation* const> tries) noexcept = 0;
};

/// One system call after the other.
class system_calls final : public batch_calls {
public:
    void open(std::span<allocation> batch) noexcept override;
    void bind(std::span<allocation* const> tries) noexcept override;

    static void open(allocation& one) noexcept;
    static void bind(allocation& one) noexcept;
};

/// Answers a batch: carries out the steps of each socket.
void open_and_bind(std::span<allocation> batch, batch_calls& through) noexcept;

} // namespace berth::detail
