// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace berth::testing {

/// How many descriptors this process has open.
[[nodiscard]] std::size_t open_descriptors();

} // namespace berth::testing
