// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "socket_spec.hpp"

#include <berth/detail/lease_sockets.hpp>
#include <berth/detail/request.hpp>

#include <array>
#include <cstddef>
#include <span>

namespace berth::detail {

/// The sockets that a request needs on one port, those of TCP first. It owns no memory.
class socket_plan {
public:
    void add(const socket_spec& one) noexcept { all_[count_++] = one; }
    [[nodiscard]] std::span<const socket_spec> all() const noexcept
    {
        return std::span(all_).first(count_);
    }

private:
    std::array<socket_spec, lease_sockets::max_size> all_ = {};
    std::size_t count_ = 0;
};

/// Returns the sockets that a request needs. A family that the host lacks is left out where both are
/// wanted; an address that another one of the plan covers needs no socket. `have_ipv6` says
/// whether IPv6 sockets can be opened.
[[nodiscard]] socket_plan plan_sockets(const request& asked, bool have_ipv6);

} // namespace berth::detail
