// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace berth::detail {

/// Owns the sockets that hold the port of one lease, those of TCP first. In the child of a fork it
/// owns nothing: the descriptors were closed there, and their numbers may be other files'.
class lease_sockets {
public:
    /// Two transports on four addresses.
    static constexpr std::size_t max_size = 8;

    lease_sockets() noexcept = default;

    lease_sockets(lease_sockets&& other) noexcept { take(other); }

    lease_sockets& operator=(lease_sockets&& other) noexcept
    {
        if (this != &other) {
            clear();
            take(other);
        }
        return *this;
    }

    ~lease_sockets() { clear(); }

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] native_socket operator[](std::size_t index) const noexcept
    {
        assert(index < size_);
        return sockets_[index];
    }

    [[nodiscard]] bool is_udp(std::size_t index) const noexcept
    {
        return (udp_ >> index & 1U) != 0;
    }

    [[nodiscard]] bool is_ipv6(std::size_t index) const noexcept
    {
        return (ipv6_ >> index & 1U) != 0;
    }

    /// By which reports know the lease: it stays while listen() takes the first.
    [[nodiscard]] native_socket last() const noexcept
    {
        return empty() ? no_socket : sockets_[size_ - 1U];
    }

    /// Takes one more socket; there is room for `max_size`.
    void add(unique_socket socket, bool udp, bool ipv6) noexcept;

    /// Forgets the first socket, which somebody else owns now.
    void remove_first() noexcept;

    /// True in the child of a fork: the sockets are the parent's.
    [[nodiscard]] bool inherited() const noexcept;

    /// Closes all; the port is free when this returns.
    void clear() noexcept
    {
        if (!empty())
            close_all();
    }

private:
    void take(lease_sockets& other) noexcept
    {
        sockets_ = other.sockets_;
        generation_ = other.generation_;
        udp_ = std::exchange(other.udp_, std::uint8_t{0});
        ipv6_ = std::exchange(other.ipv6_, std::uint8_t{0});
        size_ = std::exchange(other.size_, std::uint8_t{0});
    }

    void close_all() noexcept;

    std::array<native_socket, max_size> sockets_ = {}; // the first `size_`
    std::uint32_t generation_ = 0; // fork_generation() of the process that opened them
    std::uint8_t udp_ = 0;         // a bit for each socket
    std::uint8_t ipv6_ = 0;        // likewise
    std::uint8_t size_ = 0;
};

} // namespace berth::detail
