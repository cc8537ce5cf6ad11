// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/address_list.hpp>
#include <berth/backend.hpp>
#include <berth/port_set.hpp>
#include <berth/source_location.hpp>

#include <asio/ip/address.hpp>
#include <asio/socket_base.hpp>

#include <chrono>
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

    /// The ports to choose from; none: those that the environment variable BERTH_PORT_RANGE names
    /// ("20000-29999,31000"), and without it the system's ephemeral range. The ports in
    /// net.ipv4.ip_local_reserved_ports (Linux) are left out of any set. All are read at the
    /// first use.
    std::optional<port_set> ports = std::nullopt;

    /// A port to try first, in `ports` or not; unless `browser_safe` leaves it out.
    std::optional<std::uint16_t> preferred = std::nullopt;

    /// Leaves out the ports to which browsers refuse to connect
    /// (https://fetch.spec.whatwg.org/#port-blocking).
    bool browser_safe = false;

    /// How long to wait, where every port is taken, for one that comes back, from the call on; zero:
    /// not at all. When the time is up the error is `error::ports_exhausted`. First come, first
    /// served among those of this process that wait for the same ports on the same addresses.
    std::chrono::steady_clock::duration wait =
        std::chrono::steady_clock::duration::zero();

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
    /// A server that sets SO_REUSEADDR (on TCP also SO_REUSEPORT, same user) may bind the port.
    open,

    /// Nobody may.
    sealed,
};

/// The transports in which a number is wanted; `both` is one number in each.
enum class transports : std::uint8_t { tcp = 1, udp = 2, both = 3 };

/// The address families in which a number is wanted.
enum class families : std::uint8_t { v4 = 1, v6 = 2, both = 3 };

/// How an unused port is found. An aggregate, for designated initialisers.
///
/// Example:
/// @code
/// auto lease = co_await berth::co_find_unused_port({.mode = berth::lease_mode::sealed});
/// @endcode
struct find_options {
    /// The addresses on which the port is held, four at most; none: every address of the host
    /// (`families` says of which family), in UDP on Linux its loopback addresses. A lease on one
    /// address says nothing of the others.
    address_list addresses = {};

    /// The transports for which the port is held: one number, free in each of them.
    berth::transports transports = berth::transports::tcp;

    /// The families for which the port is held; with `addresses`, those which they may have. On a
    /// host without IPv6 `both` is IPv4.
    berth::families families = berth::families::both;

    /// The ports to choose from; none: those that the environment variable BERTH_PORT_RANGE names
    /// ("20000-29999,31000"), and without it the system's ephemeral range. The ports in
    /// net.ipv4.ip_local_reserved_ports (Linux) are left out of any set. All are read at the
    /// first use.
    std::optional<port_set> ports = std::nullopt;

    /// A port to try first, in `ports` or not; unless `browser_safe` leaves it out.
    std::optional<std::uint16_t> preferred = std::nullopt;

    /// Leaves out the ports to which browsers refuse to connect
    /// (https://fetch.spec.whatwg.org/#port-blocking).
    bool browser_safe = false;

    /// How long to wait, where every port is taken, for one that comes back, from the call on; zero:
    /// not at all. When the time is up the error is `error::ports_exhausted`. First come, first
    /// served among those of this process that wait for the same ports on the same addresses.
    std::chrono::steady_clock::duration wait =
        std::chrono::steady_clock::duration::zero();

    /// Whom the lease lets in. On Windows this is not asked: every lease is sealed.
    lease_mode mode = lease_mode::open;

    /// The back end to use.
    berth::backend backend = berth::backend::automatic;

    /// Where the lease was asked for; reports name it. By default that is where these options
    /// stand, or where a call stands that names none; a helper may pass on its caller's.
    source_location where = source_location::current();
};

} // namespace berth
