// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "catch.hpp"

#include <berth/detail/config.hpp>
#include <berth/error.hpp>
#include <berth/port_range.hpp>

#include <cstdint>
#include <system_error>

// What the same test may hear on different systems.

namespace berth::testing {

inline constexpr bool on_windows = BERTH_WINDOWS != 0;

/// Whether Wine plays Windows. The tests follow Microsoft's documentation, and say where Wine
/// does not.
[[nodiscard]] bool under_wine() noexcept;

/// Whether bind() failed because another socket has the port. Windows says WSAEACCES where that
/// socket is exclusive, and in one case WSAEADDRINUSE.
[[nodiscard]] inline bool is_taken(const std::error_code& ec)
{
    return ec == std::errc::address_in_use ||
           (on_windows && ec == std::errc::permission_denied);
}

/// Whether every candidate was in use. Wine does not tell a port that an exclusive wildcard socket
/// has (by the documentation WSAEADDRINUSE for another one) from an excluded port (WSAEACCES).
[[nodiscard]] inline bool is_exhausted(const std::error_code& ec)
{
    return (ec == error::ports_exhausted && ec == std::errc::address_in_use) ||
           (under_wine() && ec == std::errc::permission_denied);
}

/// Whether bind() to port 0 may give the port. Wine asks Linux for it.
[[nodiscard]] inline bool is_ephemeral(std::uint16_t port)
{
    return port_range::system_ephemeral().contains(port) || (under_wine() && port != 0);
}

} // namespace berth::testing

/// Leaves a test case where all leases are sealed.
#define BERTH_NEEDS_OPEN_LEASES()                                                        \
    do {                                                                                 \
        if (::berth::testing::on_windows)                                                \
            BERTH_SKIP("every lease is sealed on Windows");                              \
    } while (false)
