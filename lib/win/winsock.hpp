// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../port_hunt.hpp"
#include "../socket_spec.hpp"

#include <berth/detail/native_socket.hpp>
#include <berth/detail/system_error.hpp>

#include <asio/ip/address.hpp>

#include <winsock2.h>
#include <ws2tcpip.h>

#include <cstdint>
#include <system_error>

// Winsock calls as the rest of lib/win wants them: the error is what they return.

namespace berth::detail {

static_assert(sizeof(SOCKET) == sizeof(native_socket) && INVALID_SOCKET == no_socket);

/// Keeps Winsock in the process. Throws std::system_error.
class winsock {
public:
    winsock();
    winsock(const winsock&) = delete;
    winsock& operator=(const winsock&) = delete;
    ~winsock();
};

/// What the Winsock call that failed just now said.
[[nodiscard]] std::error_code last_error() noexcept;

/// Opens a socket of the address's family for overlapped I/O, tied to no completion port yet and not
/// inherited by programs that are started.
[[nodiscard]] unique_socket open_socket(const asio::ip::address& address, int type,
                                        std::error_code& ec) noexcept;

[[nodiscard]] std::error_code set_option(native_socket socket, int level, int option,
                                         int value) noexcept;
[[nodiscard]] int get_option(native_socket socket, int level, int option,
                             std::error_code& ec) noexcept;

/// Binds a socket of a type to a port of the hunt's which nobody has on any address.
[[nodiscard]] port_hunt::step search_and_bind(native_socket socket, int type,
                                              const socket_spec& spec, port_hunt& hunt);

/// bind() to a port of the system's choice, which is returned.
[[nodiscard]] std::uint16_t bind_anywhere(native_socket socket,
                                          const asio::ip::address& address,
                                          std::error_code& ec) noexcept;

} // namespace berth::detail
