// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <system_error>

namespace berth::detail {

/// The category in which every error of the operating system leaves berth: on POSIX systems
/// std::system_category(). That of libstdc++ knows no error of Winsock, and none would equal an
/// std::errc: on Windows it is one of berth's own.
[[nodiscard]] const std::error_category& system_errors() noexcept;

/// Asio has a system category of its own, which std::errc does not equal before Asio 1.23.
inline std::error_code as_system_error(std::error_code ec) noexcept
{
    return ec ? std::error_code(ec.value(), system_errors()) : ec;
}

} // namespace berth::detail
