// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "ways/way.hpp"

#include <vector>

namespace bench {

// An operation here is a whole test: a server on an allocated port, a client, one exchange,
// teardown.

/// Each way to a port for such a server: berth's, each followed by what it replaces.
[[nodiscard]] std::vector<way> whole_tests();

/// Half of the servers are bound from the start and half are told a number, as in the main job
/// (examples/09_parallel_load.cpp): by berth, and by the original's method.
[[nodiscard]] std::vector<way> main_job();

} // namespace bench
