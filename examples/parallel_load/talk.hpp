// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <random>
#include <string>

namespace load {

/// How long anybody waits for an answer.
inline constexpr std::chrono::seconds patience(20);

[[nodiscard]] inline asio::ip::tcp::endpoint loopback(std::uint16_t port)
{
    return {asio::ip::address_v4::loopback(), port};
}

/// Sends a request and returns all that is answered until the other side is done. Throws
/// std::system_error.
[[nodiscard]] asio::awaitable<std::string> ask(asio::ip::tcp::socket& server,
                                               std::string request);

/// What `work` throws, or nothing.
[[nodiscard]] asio::awaitable<std::exception_ptr> failure_of(asio::awaitable<void> work);

/// Lets `work` run for so long; then cancels it and throws std::errc::timed_out.
[[nodiscard]] asio::awaitable<void> within(std::chrono::milliseconds limit,
                                           asio::awaitable<void> work);

/// Words that nobody else says.
class secrets {
public:
    secrets(std::uint64_t seed, unsigned number);

    /// 16 hexadecimal digits.
    [[nodiscard]] std::string next();

private:
    std::mt19937_64 random_;
};

} // namespace load
