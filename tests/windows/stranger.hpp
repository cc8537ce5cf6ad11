// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <array>
#include <cstdint>
#include <string>

// Those who have never heard of berth: Winsock by way of plain Asio.

namespace berth::testing {

/// What a socket claims before it is bound.
enum class claim { nothing, reuse, exclusive };

inline constexpr std::array every_claim = {claim::nothing, claim::reuse,
                                           claim::exclusive};

[[nodiscard]] std::string to_string(claim what);

/// Where sockets of this host are bound; "::" is dual-stack.
inline constexpr std::array every_address = {"127.0.0.1", "127.0.0.2", "0.0.0.0", "::1",
                                             "::"};

/// A TCP socket.
class stranger {
public:
    stranger(const std::string& address, claim what);

    /// "ok", "INUSE" (WSAEADDRINUSE), "ACCESS" (WSAEACCES), or the number of the error.
    [[nodiscard]] std::string bind(std::uint16_t port);
    [[nodiscard]] std::string listen();

    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] asio::ip::tcp::acceptor& acceptor() noexcept { return acceptor_; }

private:
    asio::io_context context_;
    asio::ip::tcp::endpoint at_;
    asio::ip::tcp::acceptor acceptor_;
};

/// What bind() says to a UDP socket, in the words of stranger::bind().
[[nodiscard]] std::string bind_udp(const std::string& address, claim what,
                                   std::uint16_t port);

} // namespace berth::testing
