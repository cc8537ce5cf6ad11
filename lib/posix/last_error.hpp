// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <system_error>

namespace berth::detail {

/// What the system call that failed just now said.
inline std::error_code last_error() noexcept
{
    return {errno, std::system_category()};
}

} // namespace berth::detail
