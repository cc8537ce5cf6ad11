// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>

#include <cstdint>
#include <system_error>

// How a listener comes to answer nobody; each system has its own implementation, chosen by Meson.

namespace berth::detail {

struct full_backlog {
    std::uint16_t port = 0; // of the listener
    unique_socket filler;   // the other end of the connection in its queue
};

/// Fills the queue of a TCP socket that listens with a backlog of 0.
[[nodiscard]] full_backlog fill_backlog(native_socket listener,
                                        std::error_code& ec) noexcept;

} // namespace berth::detail
