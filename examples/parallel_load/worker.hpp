// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "settings.hpp"

namespace load {

/// Takes part in the load as one of the coordinator's children. It reads commands from
/// the standard input, a line each: `round`, then `report`; and writes JSON to the
/// standard output, a line each: {"event": "progress", "allocations": N}, {"event":
/// "round"} when all servers of one have been heard, {"event": "report", "tally": {...}}.
/// It ends early when the input does. Returns the exit status.
[[nodiscard]] int work(const settings& its);

} // namespace load
