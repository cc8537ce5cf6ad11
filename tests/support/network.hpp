// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/port_range.hpp>

#include <string>

namespace berth::testing {

/// Moves this process, which is best a child, into a network namespace of its own with a loopback
/// device and nothing else, and narrows its ephemeral range. Returns why that is not allowed
/// here, or an empty string. It works for root, and for others where user namespaces are on.
[[nodiscard]] std::string enter_private_network(port_range ephemeral);

} // namespace berth::testing
