// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "ledger.hpp"

#include <berth/berth.hpp>

#include <string>

// Requests at random.

namespace berth::soak {

/// Finds the back ends among which the options choose. Call it while the process has one thread:
/// a fork would leave the work of another one half done.
void find_working_backends();

[[nodiscard]] find_options any_find_options(generator& chance);
[[nodiscard]] bind_options any_bind_options(generator& chance);
[[nodiscard]] port_pattern any_pattern(generator& chance);

/// Returns the options as text, for the message of a failure.
[[nodiscard]] std::string describe(const find_options& options);

} // namespace berth::soak
