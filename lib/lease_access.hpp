// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/port_lease.hpp>

#include <cstdint>
#include <utility>

namespace berth::detail {

/// Makes leases, and looks into them.
struct lease_access {
    [[nodiscard]] static port_lease make(lease_sockets sockets, std::uint16_t port,
                                         lease_mode mode) noexcept
    {
        port_lease lease;
        lease.sockets_ = std::move(sockets);
        lease.port_ = port;
        lease.mode_ = mode;
        return lease;
    }

    /// Returns the socket by which reports know a lease.
    [[nodiscard]] static native_socket known_by(const port_lease& lease) noexcept
    {
        return lease.sockets_.last();
    }
};

/// Sets the function that is told the port of each lease that has ended.
void observe_leases(void (*ended)(std::uint16_t port) noexcept) noexcept;

} // namespace berth::detail
