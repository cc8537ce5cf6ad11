// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace berth::detail {

/// What std::getenv() says.
using environment = std::function<const char*(const char*)>;

/// The number by which a test runner tells this process from those it runs beside it, where there
/// is such a runner. A hint: two processes may have the same number.
[[nodiscard]] std::optional<std::uint32_t> runner_worker(const environment& get);

} // namespace berth::detail
