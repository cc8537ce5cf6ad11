// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/error.hpp>
#include <berth/port_pattern.hpp>

#include <algorithm>
#include <span>

namespace berth {

std::error_code port_pattern::error() const noexcept
{
    constexpr std::size_t all_ports = 65535;
    auto sorted = offsets_;
    const auto used = std::span(sorted).first(shape_ == shape::offsets ? count_ : 0);
    std::ranges::sort(used);
    const bool twice = std::ranges::adjacent_find(used) != used.end();
    if (twice || sorted.front() != 0 || !in_range_ || divisor_ == 0 ||
        count_ > all_ports || (shape_ == shape::block && count_ == 0))
        return error::invalid_pattern;
    return {};
}

} // namespace berth
