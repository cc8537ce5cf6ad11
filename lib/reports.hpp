// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/port_lease.hpp>
#include <berth/report.hpp>

namespace berth::detail {

/// A lease begins to hold; remembered while there is a handler to be told of it.
void lease_began(const holding& held, const source_location& where) noexcept;

/// It ends. To be called while it still holds: what the back end knows it by may be another's next.
void lease_ended(const holding& held) noexcept;

/// For the child of a fork, which has no lease. Async-signal-safe.
void forget_leases() noexcept;

} // namespace berth::detail
