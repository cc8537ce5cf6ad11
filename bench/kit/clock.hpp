// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>

namespace bench {

/// Nanoseconds of a clock that all processes of the machine share.
[[nodiscard]] inline std::uint64_t now() noexcept
{
    const std::chrono::nanoseconds since =
        std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(since.count());
}

/// Nanoseconds that this process has spent on a processor, in user space and in the kernel.
[[nodiscard]] std::uint64_t cpu_time() noexcept;

} // namespace bench
