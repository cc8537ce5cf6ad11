// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/request.hpp>

#include <asio/ip/address.hpp>

#include <array>
#include <cstddef>
#include <span>

namespace berth::detail {

/// A socket that a request wants on its port.
struct holder_at {
    asio::ip::address address;
    bool udp = false;
    bool ipv6_only = false;
    bool beside_own = false; // after a holder of the same family and transport
};

/// The sockets that a request wants on one port, those of TCP first. It holds no memory of its
/// own.
class holder_list {
public:
    void add(const holder_at& one) noexcept { all_[count_++] = one; }
    [[nodiscard]] std::span<const holder_at> all() const noexcept
    {
        return std::span(all_).first(count_);
    }

private:
    // TCP on each address; UDP as well, on the two loopback addresses in the place of `[::]`.
    std::array<holder_at, 2 * address_list::max_size + 1> all_ = {};
    std::size_t count_ = 0;
};

/// Which sockets hold what is asked for. A family that the host lacks is left out where both are
/// wanted; an address that another one of the list covers needs no socket.
[[nodiscard]] holder_list holders_for(const request& asked, bool have_ipv6,
                                      bool have_ipv6_loopback);

} // namespace berth::detail
