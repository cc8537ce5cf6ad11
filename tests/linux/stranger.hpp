// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "child.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

// Those who have never heard of berth: plain system calls. What a call says is "ok" or
// the name of its error.

namespace berth::testing {

/// Which reuse options a socket sets before it is bound.
enum class reuse { nothing, address, port, both };

inline constexpr std::array every_reuse = {reuse::nothing, reuse::address, reuse::port,
                                           reuse::both};

[[nodiscard]] std::string to_string(reuse options);

/// The name of an error number, as EADDRINUSE.
[[nodiscard]] std::string error_name(int number);

/// Those of 127.0.0.1, 0.0.0.0, ::1 and :: (dual-stack) that this host has.
[[nodiscard]] std::vector<std::string> host_addresses();

/// Where a client finds a server that is bound to an address.
[[nodiscard]] std::vector<std::string> ways_to(const std::string& address);

/// A TCP socket.
class stranger {
public:
    explicit stranger(const std::string& address, reuse options = reuse::nothing);
    stranger(stranger&& other) noexcept;
    stranger& operator=(stranger&&) = delete;

    /// Closes; a connection is reset, so that no port stays behind in TIME_WAIT.
    ~stranger();

    [[nodiscard]] int descriptor() const noexcept { return socket_; }
    [[nodiscard]] std::string bind(std::uint16_t port) const;
    [[nodiscard]] std::string listen() const;
    [[nodiscard]] std::string connect(const std::string& address,
                                      std::uint16_t port) const;

    /// The own port.
    [[nodiscard]] std::uint16_t port() const;

    /// For a bind() to port 0 that leaves the choice of the port to connect().
    void bind_address_no_port() const;

private:
    std::string address_;
    int socket_;
};

/// What bind() says to a socket of its own.
[[nodiscard]] std::string try_bind(const std::string& address, std::uint16_t port,
                                   reuse options);

/// What connect() says.
[[nodiscard]] std::string try_connect(const std::string& address, std::uint16_t port);

/// The ports that bind() to port 0 gives until it has no more.
[[nodiscard]] std::set<std::uint16_t> exhaust_by_bind(const std::string& address,
                                                      reuse options);

/// The source ports that connect() to a listener gives until it has no more.
[[nodiscard]] std::set<std::uint16_t> exhaust_by_connect(const std::string& address,
                                                         std::uint16_t listener,
                                                         reuse options,
                                                         bool bind_address_first);

/// A server in a process of its own, which tells each client its secret.
class foreign_server {
public:
    enum class user { same, other };

    foreign_server(const std::string& address, std::uint16_t port, reuse options,
                   user who = user::same);

    /// "ok", or what failed: "bind: EADDRINUSE".
    [[nodiscard]] const std::string& start() const noexcept { return start_; }
    [[nodiscard]] const std::string& secret() const noexcept { return secret_; }

    /// Ends it.
    void stop();

private:
    std::unique_ptr<child> process_;
    std::string start_;
    std::string secret_;
};

/// What a server tells a client, or what connect() says.
[[nodiscard]] std::string ask(const std::string& address, std::uint16_t port);

} // namespace berth::testing
