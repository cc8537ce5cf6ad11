// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

namespace berth {

/// Which ports are wanted together: any so many, so many in a row, or those at given distances
/// from a first one.
///
/// What cannot be had, such as an offset twice, may be written down; an operation that is given
/// such a pattern fails with its `error()` before it opens a socket. Threads: as an integer.
///
/// Example:
/// @code
/// auto any = berth::find_unused_ports(3);
/// auto row = berth::find_unused_ports(berth::port_pattern::block(4));
/// auto redis_cluster = berth::find_unused_ports(berth::port_pattern::offsets(0, 10000));
/// auto rtp = berth::find_unused_ports(berth::port_pattern::offsets(0, 1).from_multiple_of(2));
/// @endcode
class port_pattern {
public:
    /// How many distances offsets() takes.
    static constexpr std::size_t max_offsets = 16;

    /// Any `count` ports, 0 to 65 535.
    // NOLINTNEXTLINE(google-explicit-constructor): a count is a pattern
    port_pattern(std::size_t count) noexcept : count_(count) {}

    /// `count` ports in a row, 1 to 65 535.
    [[nodiscard]] static port_pattern block(std::size_t count) noexcept
    {
        port_pattern pattern(count);
        pattern.shape_ = shape::block;
        return pattern;
    }

    /// The ports at these distances from the first one, each from 0 to 65 534 and given once; 0, the
    /// first one itself, is among them.
    template <std::integral... Offsets>
    requires(sizeof...(Offsets) > 0 && sizeof...(Offsets) <= max_offsets)
        [[nodiscard]] static port_pattern offsets(Offsets... offsets) noexcept
    {
        port_pattern pattern(sizeof...(Offsets));
        pattern.shape_ = shape::offsets;
        pattern.offsets_ = {static_cast<std::uint16_t>(offsets)...};
        pattern.in_range_ = (std::in_range<std::uint16_t>(offsets) && ...);
        return pattern;
    }

    /// The same pattern, where the first port, or each of any so many, is a multiple of `divisor`,
    /// 1 to 65 535.
    [[nodiscard]] port_pattern from_multiple_of(std::uint16_t divisor) const noexcept
    {
        port_pattern pattern(*this);
        pattern.divisor_ = divisor;
        return pattern;
    }

    /// The number of ports.
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

    /// Whether the ports are in a row.
    [[nodiscard]] bool is_block() const noexcept { return shape_ == shape::block; }

    /// Whether the distances were given one by one.
    [[nodiscard]] bool has_offsets() const noexcept { return shape_ == shape::offsets; }

    /// How far the port with this index, below size(), is from the first.
    [[nodiscard]] std::uint16_t offset(std::size_t index) const noexcept
    {
        return shape_ == shape::offsets ? offsets_[index]
                                        : static_cast<std::uint16_t>(index);
    }

    /// Of what the first port is a multiple.
    [[nodiscard]] std::uint16_t divisor() const noexcept { return divisor_; }

    /// `error::invalid_pattern`, or none.
    [[nodiscard]] std::error_code error() const noexcept;

    friend bool operator==(const port_pattern&, const port_pattern&) noexcept = default;

private:
    enum class shape : std::uint8_t { any, block, offsets };

    std::size_t count_;
    shape shape_ = shape::any;
    bool in_range_ = true;
    std::uint16_t divisor_ = 1;
    std::array<std::uint16_t, max_offsets> offsets_ = {};
};

} // namespace berth
