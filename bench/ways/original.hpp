// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "way.hpp"

#include <cstdint>
#include <utility>

namespace bench {

/// Owns a descriptor.
class open_socket {
public:
    explicit open_socket(int fd = -1) noexcept : fd_(fd) {}
    open_socket(open_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    open_socket& operator=(open_socket&&) = delete;
    ~open_socket();

    [[nodiscard]] int get() const noexcept { return fd_; }

private:
    int fd_;
};

/// A socket on a port of the system's choice, and the number: socket, bind to port 0,
/// getsockname, for an acceptor listen.
struct bound {
    open_socket socket;
    std::uint16_t port;
};
[[nodiscard]] bound bind_originally(goods what);

} // namespace bench
