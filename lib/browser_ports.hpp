// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace berth::detail {

/// Whether browsers refuse to connect to a port.
[[nodiscard]] bool blocked_by_browsers(std::uint16_t port) noexcept;

} // namespace berth::detail
