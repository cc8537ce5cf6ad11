// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/port_range.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace berth {

/// A set of ports: ranges, joined by `|` and taken away by `-`.
///
/// It holds up to `max_ranges` separate ranges, and no memory of its own. A set of too many, or
/// of a range which is not `valid()`, may be written down, and so may what is made of it; an
/// operation that is given such a set fails with its `error()` before it opens a socket.
///
/// Threads: as an integer.
///
/// Example:
/// @code
/// berth::port_set ports = berth::port_range{20000, 29999} | berth::port_range{40000, 49999};
/// auto lease = berth::find_unused_port({.ports = ports - berth::port_range{20080, 20089}});
/// @endcode
class port_set {
public:
    /// How many ranges with gaps between them there may be.
    static constexpr std::size_t max_ranges = 16;

    /// No port.
    port_set() noexcept = default;

    /// The ports of a range.
    // NOLINTNEXTLINE(google-explicit-constructor): a range is a set
    port_set(port_range range) noexcept;

    /// The ports of one set or of the other.
    friend port_set operator|(const port_set& one, const port_set& other) noexcept;

    /// The ports of one set that are not in the other.
    friend port_set operator-(const port_set& one, const port_set& other) noexcept;

    /// The ports of both.
    friend port_set operator&(const port_set& one, const port_set& other) noexcept;

    /// Whether both hold the same ports, and the same error().
    friend bool operator==(const port_set& one, const port_set& other) noexcept;

    /// The ranges, in ascending order, with a gap between any two; of a set with an error() those
    /// that it was found in.
    [[nodiscard]] std::span<const port_range> ranges() const noexcept
    {
        return {ranges_.data(), count_};
    }

    /// Whether there is no port in it.
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    /// Whether `port` is in it.
    [[nodiscard]] bool contains(std::uint16_t port) const noexcept;

    /// The number of ports, 0 to 65 535.
    [[nodiscard]] std::uint16_t size() const noexcept;

    /// Why the set cannot be used: `error::invalid_range`, `error::too_many_ranges`, or none.
    [[nodiscard]] std::error_code error() const noexcept;

    /// Reads "40000-40999,45000". Throws `error::invalid_range` or `error::too_many_ranges`.
    [[nodiscard]] static port_set parse(std::string_view text);

    /// As above, with the error in `ec`.
    [[nodiscard]] static port_set parse(std::string_view text,
                                        std::error_code& ec) noexcept;

    /// The ports from 1024 up from which the system gives none for bind(0) and connect(): not
    /// those of `port_range::system_ephemeral()`, read anew at each call.
    ///
    /// Example:
    /// @code
    /// auto lease = berth::find_unused_port({.ports = berth::port_set::outside_ephemeral()});
    /// @endcode
    [[nodiscard]] static port_set outside_ephemeral() noexcept;

private:
    enum class fault : std::uint8_t { none, invalid_range, too_many_ranges };

    [[nodiscard]] bool is_faulty() const noexcept { return fault_ != fault::none; }
    void append(port_range range) noexcept;

    std::array<port_range, max_ranges> ranges_ = {};
    std::uint8_t count_ = 0;
    fault fault_ = fault::none;
};

[[nodiscard]] port_set operator|(const port_set& one, const port_set& other) noexcept;
[[nodiscard]] port_set operator-(const port_set& one, const port_set& other) noexcept;
[[nodiscard]] port_set operator&(const port_set& one, const port_set& other) noexcept;

/// Writes "40000-40999,45000".
[[nodiscard]] std::string to_string(const port_set& ports);

} // namespace berth
