// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>
#include <berth/report.hpp>

#include <cstdint>

// A lease is known by its last socket: it moves, two may have one number on different addresses, and
// listen() takes the first.

namespace berth::detail {

/// Remembers a lease while there is a handler to be told of it.
void lease_began(native_socket lease, std::uint16_t port,
                 const source_location& where) noexcept;

/// Forgets it. To be called while it still holds: its descriptor may be another's next.
void lease_ended(native_socket lease) noexcept;

/// For the child of a fork, which has no lease. Async-signal-safe.
void forget_leases() noexcept;

} // namespace berth::detail
