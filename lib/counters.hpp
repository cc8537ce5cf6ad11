// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/counters.hpp>

namespace berth::detail {

/// Adds to the process's counters: once for a batch, not for each candidate.
void count(const counters& more) noexcept;

/// Back to zero. Async-signal-safe.
void reset_counters() noexcept;

} // namespace berth::detail
