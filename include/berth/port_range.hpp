// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace berth {

/// The ports from `first` to `last`, both included; a single port is written twice.
///
/// Any two numbers may be written down; an operation that is given a range which is not
/// `valid()` fails with `error::invalid_range` before it opens a socket.
///
/// Example:
/// @code
/// auto lease = berth::find_unused_port({.ports = berth::port_range{40000, 40999}});
/// @endcode
struct port_range {
    std::uint16_t first; ///< The lowest port.
    std::uint16_t last;  ///< The highest port.

    /// Whether the range holds at least one port, and not port 0.
    [[nodiscard]] constexpr bool valid() const noexcept
    {
        return first != 0 && first <= last;
    }

    /// The number of ports, 0 to 65 535; 0 where the range is not `valid()`.
    [[nodiscard]] constexpr std::uint16_t size() const noexcept
    {
        return valid() ? static_cast<std::uint16_t>(last - first + 1) : std::uint16_t{0};
    }

    /// Whether `port` lies in the range.
    [[nodiscard]] constexpr bool contains(std::uint16_t port) const noexcept
    {
        return first <= port && port <= last;
    }

    friend constexpr bool operator==(port_range, port_range) noexcept = default;

    /// Reads "40000-40999" or "40000". Throws `error::invalid_range` on anything else.
    [[nodiscard]] static port_range parse(std::string_view text);

    /// As above, with the error in `ec`.
    [[nodiscard]] static port_range parse(std::string_view text,
                                          std::error_code& ec) noexcept;

    /// The range from which the system gives ports for bind(0) and connect(), read anew at
    /// each call. On Linux net.ipv4.ip_local_port_range, where it cannot be read its default
    /// of 32768-60999; on Windows the default of 49152-65535. Threads: any.
    [[nodiscard]] static port_range system_ephemeral() noexcept;
};

/// Writes "40000-40999".
[[nodiscard]] std::string to_string(port_range range);

} // namespace berth
