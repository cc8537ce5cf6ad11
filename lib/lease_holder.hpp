// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>
#include <berth/options.hpp>
#include <berth/protocol_info.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <system_error>

namespace berth::detail {

/// What a holder is a socket of.
struct holder_kind {
    bool udp = false;
    bool ipv6 = false;
};

/// What the leases' holders belong to: a back end, or the groups of them. A handle stands for a
/// lease. Threads: any.
class lease_holder {
public:
    lease_holder() = default;
    lease_holder(const lease_holder&) = delete;
    lease_holder& operator=(const lease_holder&) = delete;
    virtual ~lease_holder() = default;

    /// Ends a lease: its port is free when this returns.
    virtual void close(std::uint32_t handle) noexcept = 0;

    /// Ends a lease together with what comes next, at the latest with close_dropped() of the back
    /// ends.
    virtual void close_soon(std::uint32_t handle) noexcept { close(handle); }

    /// Ends the first holder of a lease that has several, and tells of the one that is the first
    /// now. A lease with one is left alone.
    virtual std::optional<holder_kind> close_first_of_several(std::uint32_t) noexcept
    {
        return std::nullopt;
    }

    /// Opens or seals a lease, whose first holder is of this kind.
    [[nodiscard]] virtual std::error_code set_mode(std::uint32_t handle, holder_kind kind,
                                                   lease_mode mode) noexcept = 0;

    /// A second descriptor of a lease's first holder, not inherited by programs that are started.
    [[nodiscard]] virtual unique_socket duplicate(std::uint32_t handle,
                                                  std::error_code& ec) noexcept = 0;

    /// What lets another process open the socket of a lease's first holder; on Windows only.
    [[nodiscard]] virtual protocol_info duplicate_for(std::uint32_t, std::uint32_t,
                                                      std::error_code& ec) noexcept
    {
        ec = std::make_error_code(std::errc::not_supported);
        return {};
    }

    /// Called in the child of a fork, of which this object knows nothing any more: what it
    /// holds is the parent's. Async-signal-safe.
    virtual void disown() noexcept { disowned_.store(true); }

    [[nodiscard]] bool disowned() const noexcept { return disowned_.load(); }

private:
    std::atomic<bool> disowned_ = false;
};

} // namespace berth::detail
