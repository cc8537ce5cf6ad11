// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "ledger.hpp"

#include <berth/detail/native_socket.hpp>

#include <asio/ip/address.hpp>

#include <optional>
#include <vector>

// Those who have never heard of berth: plain sockets, which the ledger checks.

namespace berth::soak {

/// A foreign socket; its record goes first.
class foreign_socket {
public:
    foreign_socket() = default;
    foreign_socket(detail::unique_socket socket, std::uint16_t port, cells written)
        : socket_(std::move(socket)), port_(port), written_(written)
    {}
    foreign_socket(foreign_socket&& other) noexcept
        : socket_(std::move(other.socket_)), port_(other.port_),
          written_(std::exchange(other.written_, 0))
    {}
    foreign_socket& operator=(foreign_socket&& other) noexcept
    {
        close();
        socket_ = std::move(other.socket_);
        port_ = other.port_;
        written_ = std::exchange(other.written_, 0);
        return *this;
    }
    ~foreign_socket() { close(); }

    void close()
    {
        shared->foreign_gone(port_, std::exchange(written_, 0));
        socket_ = {};
    }

    [[nodiscard]] int get() const { return socket_.get(); }
    [[nodiscard]] std::uint16_t port() const { return port_; }

private:
    detail::unique_socket socket_;
    std::uint16_t port_ = 0;
    cells written_ = 0;
};

/// Binds as a stranger would, to port 0 or another; none where that was refused.
[[nodiscard]] std::optional<foreign_socket> bind_foreign(const asio::ip::address& address,
                                                         std::uint16_t port, bool udp,
                                                         ledger::reuse options);

/// A client on a port of the kernel's choice; none where there was none or nobody answered.
[[nodiscard]] std::optional<foreign_socket>
connect_foreign(const asio::ip::address& address, std::uint16_t to);

/// One of 127.0.0.1, 127.0.0.2, ::1, 0.0.0.0 and [::].
[[nodiscard]] asio::ip::address any_address(generator& chance);

/// Returns one of 127.0.0.1, 127.0.0.2 and ::1 that is among `where`, the cells of one transport.
[[nodiscard]] asio::ip::address any_address_in(generator& chance, cells where);

/// Returns the address at which a client reaches a socket: of a wildcard, its loopback address.
[[nodiscard]] asio::ip::address address_to_reach(const asio::ip::address& bound);

/// A port of the narrow range, seldom of the wide one.
[[nodiscard]] std::uint16_t any_port(generator& chance);

/// The body of a foreign process.
void be_foreign(generator chance);

} // namespace berth::soak
