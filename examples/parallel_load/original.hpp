// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/ip/tcp.hpp>

#include <cstdint>

// What everybody does, after CPython's test support.

namespace load {

/// A port that was free a moment ago: socket, bind to port 0, getsockname, close. Throws
/// std::system_error.
[[nodiscard]] std::uint16_t find_unused_port_originally();

/// An acceptor that listens on a port of the system's choice. Throws std::system_error.
[[nodiscard]] asio::ip::tcp::acceptor
bind_originally(const asio::any_io_executor& executor);

} // namespace load
