// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "fork_registry.hpp"

#include <berth/detail/lease_sockets.hpp>

#include <algorithm>

namespace berth::detail {

void lease_sockets::add(unique_socket socket, bool udp, bool ipv6) noexcept
{
    assert(size_ < max_size);
    generation_ = fork_generation();
    udp_ = static_cast<std::uint8_t>(udp_ | unsigned(udp) << size_);
    ipv6_ = static_cast<std::uint8_t>(ipv6_ | unsigned(ipv6) << size_);
    sockets_[size_++] = socket.release();
}

void lease_sockets::remove_first() noexcept
{
    assert(!empty());
    keep_in_child(sockets_[0]);
    std::copy(sockets_.begin() + 1, sockets_.end(), sockets_.begin());
    udp_ = static_cast<std::uint8_t>(udp_ >> 1U);
    ipv6_ = static_cast<std::uint8_t>(ipv6_ >> 1U);
    --size_;
}

bool lease_sockets::inherited() const noexcept
{
    return generation_ != fork_generation();
}

void lease_sockets::close_all() noexcept
{
    const bool is_parents = inherited();
    const std::size_t size = size_;
    size_ = 0;
    udp_ = 0;
    ipv6_ = 0;
    if (is_parents)
        return;
    const fork_guard guard;
    for (std::size_t i = 0; i < size; ++i)
        close_socket(sockets_[i]);
}

} // namespace berth::detail
