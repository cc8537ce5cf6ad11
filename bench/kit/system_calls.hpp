// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "ways/way.hpp"

namespace bench {

/// System calls for each operation, counted as strace -c counts them. Of the task's threads
/// only the first is watched. Throws not_possible_here.
[[nodiscard]] double system_calls_each(const way& which, task its);

} // namespace bench
