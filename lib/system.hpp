// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>
#include <berth/port_range.hpp>

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

/// Whether the system makes wildcard IPv6 sockets IPv6-only unless told otherwise.
[[nodiscard]] bool ipv6_only_by_default();

/// error::reuse_address_set or error::reuse_port_set for a TCP socket with that option.
[[nodiscard]] std::error_code check_reuse_options(native_socket socket) noexcept;

/// bind().
[[nodiscard]] std::error_code bind_to(native_socket socket,
                                      const asio::ip::address& address,
                                      std::uint16_t port) noexcept;

/// Has a function called in the child after each fork of this process.
bool watch_forks(void (*in_child)()) noexcept;

} // namespace berth::detail
