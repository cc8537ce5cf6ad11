// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/backend.hpp>
#include <berth/port_range.hpp>

#include <asio/ip/address.hpp>
#include <asio/socket_base.hpp>

#include <cstdint>
#include <optional>

namespace berth {

/// How a socket of one's own is bound. An aggregate, for designated initialisers.
///
/// Example:
/// @code
/// auto acceptor = co_await berth::co_bind_ephemeral({.backlog = 16});
/// @endcode
struct bind_options {
    /// The address to bind. `[::]` is dual-stack: IPv4 and IPv6.
    asio::ip::address address = asio::ip::address_v4::loopback();

    /// The ports to choose from; none: the system's ephemeral range. The ports in
    /// net.ipv4.ip_local_reserved_ports (Linux) are left out of any range. Both are read at the
    /// first use.
    std::optional<port_range> range = std::nullopt;

    /// Whether a TCP acceptor listens at once. `false` gives a dead port: bound, never
    /// listening, refusing connections for as long as it lives.
    bool listen = true;

    /// The length of the queue of pending connections.
    int backlog = asio::socket_base::max_listen_connections;

    /// The back end to use.
    berth::backend backend = berth::backend::automatic;
};

/// Whom a lease lets in. On Windows every lease is sealed.
enum class lease_mode : std::uint8_t {
    open, ///< A server that sets SO_REUSEADDR (or SO_REUSEPORT, same user) may bind the port.
    sealed, ///< Nobody may.
};

/// How an unused port is found. An aggregate, for designated initialisers.
///
/// Example:
/// @code
/// auto lease = co_await berth::co_find_unused_port({.mode = berth::lease_mode::sealed});
/// @endcode
struct find_options {
    /// The address on which the port is held; none: every address of the host (dual-stack
    /// `[::]`, or `0.0.0.0` on a host without IPv6). A lease on one address says nothing of
    /// the others.
    std::optional<asio::ip::address> address = std::nullopt;

    /// The ports to choose from; none: the system's ephemeral range. The ports in
    /// net.ipv4.ip_local_reserved_ports (Linux) are left out of any range. Both are read at the
    /// first use.
    std::optional<port_range> range = std::nullopt;

    /// Whom the lease lets in. On Windows this is not asked: every lease is sealed.
    lease_mode mode = lease_mode::open;

    /// The back end to use.
    berth::backend backend = berth::backend::automatic;
};

} // namespace berth
