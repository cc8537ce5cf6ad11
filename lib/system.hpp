// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "port_hunt.hpp"

#include <berth/detail/native_socket.hpp>
#include <berth/options.hpp>
#include <berth/port_range.hpp>
#include <berth/protocol_info.hpp>

#include <asio/ip/address.hpp>

#include <cstdint>
#include <system_error>
#include <vector>

// What berth asks of the operating system beside its back ends; one implementation for each. The
// functions that are not noexcept throw std::system_error where the answer cannot be had at this
// moment, for want of descriptors or memory: what was not read must not be remembered.

namespace berth::detail {

/// The range for bind() to port 0 and connect().
[[nodiscard]] port_range ephemeral_range();

/// Ports that the administrator keeps from automatic assignment.
[[nodiscard]] std::vector<port_range> reserved_ports();

/// Whether sockets of the IPv6 family can be opened here.
[[nodiscard]] bool have_ipv6();

/// Whether a holder of UDP is connected, that it may take no datagram. connect() gives a socket
/// on a wildcard one address, so that it holds the loopback addresses instead. On Windows a
/// socket on one address keeps nobody off the wildcard.
inline constexpr bool udp_holders_are_connected = BERTH_WINDOWS == 0;

/// Whether bind() to port 0 is the best way to a port of the ephemeral range. On Linux it grows
/// slow as the range fills up; on Windows it alone gives a port that no socket has on any address
/// (SO_PORT_SCALABILITY in Microsoft's documentation tells the rule and its exception).
inline constexpr bool system_chooses_ports = BERTH_WINDOWS != 0;

/// Binds a socket of the caller's to a port of the hunt's. A TCP socket with a reuse option is
/// error::reuse_address_set or error::reuse_port_set.
[[nodiscard]] port_hunt::step bind_own(native_socket socket,
                                       const asio::ip::address& address, port_hunt& hunt);

/// bind().
[[nodiscard]] std::error_code bind_to(native_socket socket,
                                      const asio::ip::address& address,
                                      std::uint16_t port) noexcept;

/// Opens or seals a holder, all or nothing. On Windows a holder is sealed for good.
[[nodiscard]] std::error_code set_mode(native_socket holder, bool udp,
                                       lease_mode mode) noexcept;

/// Returns what lets another process open the socket; on Windows only.
[[nodiscard]] protocol_info describe_socket(native_socket socket, std::uint32_t process,
                                            std::error_code& ec) noexcept;

} // namespace berth::detail
