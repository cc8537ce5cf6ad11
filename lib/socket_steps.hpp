// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "socket_spec.hpp"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace berth::detail {

/// What is done to a socket after it was opened. The steps of one socket, in their order, are its
/// recipe, which every back end carries out.
enum class socket_step : std::uint8_t {
    set_ipv6_only,     // IPV6_V6ONLY, to `socket_spec::ipv6_only`
    set_exclusive,     // SO_EXCLUSIVEADDRUSE
    bind,              // to port after port, until one is granted
    connect,           // to the silent peer
    set_reuse_address, // SO_REUSEADDR
    set_reuse_port,    // SO_REUSEPORT
    listen,
};

/// A list of steps that owns no memory.
class socket_steps {
public:
    [[nodiscard]] const socket_step* begin() const noexcept { return steps_.data(); }
    [[nodiscard]] const socket_step* end() const noexcept { return begin() + size_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    void add(socket_step step) noexcept
    {
        assert(size_ < max_size);
        steps_[size_++] = step;
    }

    static constexpr std::size_t max_size = 4;

private:
    std::array<socket_step, max_size> steps_ = {};
    std::uint8_t size_ = 0;
};

/// By which rules the system shares ports.
enum class sharing_rules : std::uint8_t { posix, winsock };
inline constexpr sharing_rules native_rules =
    BERTH_WINDOWS != 0 ? sharing_rules::winsock : sharing_rules::posix;

/// Returns the recipe of a socket.
[[nodiscard]] socket_steps steps_for(const socket_spec& spec,
                                     sharing_rules rules = native_rules) noexcept;

} // namespace berth::detail
