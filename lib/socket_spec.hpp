// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/options.hpp>

#include <asio/ip/address.hpp>

#include <cstdint>

namespace berth::detail {

/// What a socket is for.
enum class socket_use : std::uint8_t {
    hold,   // a lease: it never listens nor receives
    listen, // the caller's acceptor
    own,    // the caller's socket, or an acceptor that does not listen yet
};

/// A socket that is wanted.
struct socket_spec {
    asio::ip::address address;
    socket_use use = socket_use::hold;
    bool udp = false;
    bool ipv6_only = false;             // of an IPv6 socket
    bool beside_own = false;            // the same lease has another one of this family
    bool optional = false;              // left out where the host lacks the address
    lease_mode mode = lease_mode::open; // of a holder
    int backlog = 0;                    // of a listener
};

} // namespace berth::detail
