// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace load {

/// One server of somebody else's, as it was started.
struct instance {
    std::string directory; // its own
    std::string token;     // what nobody else knows
    std::uint16_t port = 0;
    pid_t pid = 0;

    [[nodiscard]] std::string file(const char* name) const
    {
        return directory + '/' + name;
    }
};

/// A program that listens on the port that it is told.
struct program {
    const char* name;

    /// Writes what the server will read, before there is a port. Throws std::exception.
    asio::awaitable<void> (*prepare)(const instance& its);

    /// How it is started. Writes what tells the port. Throws std::exception.
    std::vector<std::string> (*command)(const instance& its);

    /// Whether it is this very instance that answers. Throws std::system_error.
    asio::awaitable<bool> (*answers)(asio::ip::tcp::socket& server, const instance& its);
};

/// All that this load knows, whether they are installed or not.
[[nodiscard]] std::span<const program> known_programs();

} // namespace load
