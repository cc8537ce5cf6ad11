// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/options.hpp>
#include <berth/port_lease.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

// What other sockets see of a lease, and leases by the dozen.

namespace berth::testing {

/// Throws unless the lease keeps others from its TCP port, as its mode says.
void expect_still_held(const port_lease& lease);

/// Throws unless a socket with whatever options, on whatever address of this host, is given
/// the port, in TCP and in UDP.
void expect_free(std::uint16_t port);

/// Finds leases in one turn of a context of its own, so that they reach the back end as one
/// batch. Throws the first error.
[[nodiscard]] std::vector<port_lease> find_batch(std::size_t count,
                                                 const find_options& options = {});

} // namespace berth::testing
