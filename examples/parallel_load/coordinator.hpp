// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "settings.hpp"

namespace load {

/// Runs the whole load and prints what came of it. Returns the exit status.
[[nodiscard]] int coordinate(settings its);

} // namespace load
