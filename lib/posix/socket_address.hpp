// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/ip/address.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

namespace berth::detail {

/// An address and port as the kernel takes them.
class socket_address {
public:
    socket_address() noexcept = default;

    // NOLINTNEXTLINE(bugprone-exception-escape): to_v4() and to_v6() are of the right family
    socket_address(const asio::ip::address& address, std::uint16_t port) noexcept
    {
        if (address.is_v6()) {
            const asio::ip::address_v6 from = address.to_v6();
            v6_.sin6_family = AF_INET6;
            v6_.sin6_port = htons(port);
            v6_.sin6_scope_id = static_cast<std::uint32_t>(from.scope_id());
            const auto bytes = from.to_bytes();
            std::memcpy(&v6_.sin6_addr, bytes.data(), bytes.size());
        } else {
            v4_.sin_family = AF_INET;
            v4_.sin_port = htons(port);
            v4_.sin_addr.s_addr = htonl(address.to_v4().to_uint());
        }
    }

    [[nodiscard]] const sockaddr* data() const noexcept { return &base_; }
    [[nodiscard]] int family() const noexcept { return base_.sa_family; }

    [[nodiscard]] socklen_t size() const noexcept
    {
        return family() == AF_INET6 ? sizeof(v6_) : sizeof(v4_);
    }

private:
    union {
        sockaddr_in6 v6_ = {};
        sockaddr_in v4_;
        sockaddr base_;
    };
};

/// The peer to which a holder of UDP is connected, that it may take no datagram: the discard
/// service of its own address, which never sends one (RFC 863).
// NOLINTNEXTLINE(bugprone-exception-escape): as of the constructor
inline socket_address silent_peer(const asio::ip::address& address) noexcept
{
    constexpr std::uint16_t discard = 9;
    return {address, discard};
}

} // namespace berth::detail
