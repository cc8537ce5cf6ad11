// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>
#include <berth/find_port_owner.hpp>

#include <cstdint>
#include <vector>

namespace berth::detail {

/// A TCP socket as the kernel describes it.
struct tcp_socket {
    port_state state;
    std::uint32_t inode; // 0: no process has it
};

/// The TCP sockets of this network namespace, by netlink (sock_diag(7)). What fails throws
/// std::system_error.
class socket_table {
public:
    socket_table();

    /// Those that listen on a port, of both families: fewer to look through than all.
    [[nodiscard]] std::vector<tcp_socket> listeners(std::uint16_t port);

    /// All whose own port it is. It is not one moment's picture: a socket that changes its state
    /// meanwhile may be missed.
    [[nodiscard]] std::vector<tcp_socket> all(std::uint16_t port);

private:
    [[nodiscard]] std::vector<tcp_socket> ask(std::uint16_t port, std::uint32_t states);
    void ask(int family, std::uint16_t port, std::uint32_t states,
             std::vector<tcp_socket>& found);

    unique_socket netlink_;
};

} // namespace berth::detail
