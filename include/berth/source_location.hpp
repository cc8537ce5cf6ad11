// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/config.hpp>

#include <cstdint>

#if BERTH_HAS_SOURCE_LOCATION
#include <source_location>
#endif

namespace berth {

#if BERTH_HAS_SOURCE_LOCATION
/// The place in a program.
using source_location = std::source_location;
#else
/// The place in a program, of which this compiler does not tell.
struct source_location {
    [[nodiscard]] static constexpr source_location current() noexcept { return {}; }
    [[nodiscard]] static constexpr std::uint_least32_t line() noexcept { return 0; }
    [[nodiscard]] static constexpr std::uint_least32_t column() noexcept { return 0; }
    [[nodiscard]] static constexpr const char* file_name() noexcept { return ""; }
    [[nodiscard]] static constexpr const char* function_name() noexcept { return ""; }
};
#endif

} // namespace berth
