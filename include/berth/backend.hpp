// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace berth {

/// The way in which sockets are opened and bound.
///
/// `automatic` takes io_uring where it works and system calls elsewhere, on Windows Winsock.
/// The environment variable BERTH_BACKEND (io_uring, syscalls, winsock or automatic; read once,
/// at the first use) changes what `automatic` means; a back end that is named in the options is
/// taken as it is.
enum class backend {
    automatic, ///< The best that works here.
    io_uring,  ///< Linux 6.11 and later: many requests in one submission.
    syscalls,  ///< POSIX system calls, one by one.
    winsock,   ///< Windows.
};

/// The name, as BERTH_BACKEND takes it.
[[nodiscard]] std::string_view to_string(backend which) noexcept;

/// A back end, and whether it works in this process.
struct backend_status {
    backend which;      ///< Never `automatic`.
    bool available;     ///< Whether it works in this process.
    std::string reason; ///< Why it is not available; empty where it is.
};

/// Every back end that berth knows, in order of preference. The first call probes; what it
/// found is remembered, except for a passing lack of descriptors. Threads: any.
///
/// Example:
/// @code
/// for (const auto& [which, available, reason] : berth::available_backends())
///     std::cout << to_string(which) << ": " << (available ? "available" : reason) << '\n';
/// @endcode
[[nodiscard]] std::vector<backend_status> available_backends();

} // namespace berth
