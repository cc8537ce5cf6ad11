// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

namespace berth {

/// What is on a TCP port, the most telling last.
enum class port_state : std::uint8_t {
    free,      ///< Nothing.
    time_wait, ///< Only the kernel's memory of connections that have ended.
    bound,     ///< A socket that neither listens nor is connected: a lease, a dead port.
    connected, ///< A connection with this port at its near end.
    listening, ///< A server.
};

/// Who has a TCP port.
struct port_owner {
    port_state state = port_state::free;

    /// The process, or one of those that share the socket; 0 where there is none or this user
    /// may not know.
    std::uint32_t process = 0;

    /// The name of its program, as ps(1) shows it.
    std::string name;
};

/// Who has a TCP port in this network namespace, on whatever address. Of several sockets the one
/// with the most telling state is named: a server on an open lease is the server. UDP sockets are
/// not looked at. Linux only; kernels before 6.8 do not tell of sockets that are only bound.
///
/// Errors: `std::errc::invalid_argument` for port 0; `std::errc::not_supported` on other systems;
/// what the system says. The first form throws `std::system_error`.
///
/// Threads: any.
///
/// Example:
/// @code
/// std::cerr << "port 8080 is taken by " << berth::find_port_owner(8080).name << '\n';
/// @endcode
[[nodiscard]] port_owner find_port_owner(std::uint16_t port);
[[nodiscard]] port_owner find_port_owner(std::uint16_t port,
                                         std::error_code& ec) noexcept;

} // namespace berth
