// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/ip/address.hpp>
#include <asio/ip/bad_address_cast.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

namespace berth::detail {

/// An address and port as the kernel takes them.
class socket_address {
public:
    socket_address() noexcept = default;

    socket_address(const asio::ip::address& address, std::uint16_t port) noexcept
    {
        try {
            if (address.is_v6())
                set(address.to_v6(), port);
            else
                set(address.to_v4(), port);
        } catch (const asio::ip::bad_address_cast&) {
            // Only an address of the other family is one.
        }
    }

    [[nodiscard]] const sockaddr* data() const noexcept { return &base_; }
    [[nodiscard]] int family() const noexcept { return base_.sa_family; }

    [[nodiscard]] socklen_t size() const noexcept
    {
        return family() == AF_INET6 ? sizeof(v6_) : sizeof(v4_);
    }

private:
    void set(const asio::ip::address_v6& from, std::uint16_t port) noexcept
    {
        v6_.sin6_family = AF_INET6;
        v6_.sin6_port = htons(port);
        v6_.sin6_scope_id = static_cast<std::uint32_t>(from.scope_id());
        const auto bytes = from.to_bytes();
        std::memcpy(&v6_.sin6_addr, bytes.data(), bytes.size());
    }

    void set(const asio::ip::address_v4& from, std::uint16_t port) noexcept
    {
        v4_.sin_family = AF_INET;
        v4_.sin_port = htons(port);
        v4_.sin_addr.s_addr = htonl(from.to_uint());
    }

    union {
        sockaddr_in6 v6_ = {};
        sockaddr_in v4_;
        sockaddr base_;
    };
};

/// The peer to which a holder of UDP is connected, that it may take no datagram: the discard
/// service of its own address, which never sends one (RFC 863).
inline socket_address silent_peer(const asio::ip::address& address) noexcept
{
    constexpr std::uint16_t discard = 9;
    return {address, discard};
}

} // namespace berth::detail
