// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <system_error>

namespace berth {

/// What can go wrong that no operating system says.
///
/// Errors of the operating system (EMFILE, EACCES, EADDRNOTAVAIL...) pass through unchanged,
/// in `std::system_category()`, on Windows in one that knows those of Winsock; compare them
/// with `std::errc`. A cancelled operation completes with `asio::error::operation_aborted`.
///
/// Example:
/// @code
/// if (ec == berth::error::ports_exhausted) // also: ec == std::errc::address_in_use
///     widen_the_range();
/// @endcode
enum class error {
    /// Every candidate port, or place for a `port_pattern`, was refused; with the option `wait`
    /// until the time was up. Equal to `std::errc::address_in_use`.
    ports_exhausted = 1,

    /// A range is reversed or holds port 0, or a text cannot be read as one: that of parse(), or
    /// BERTH_PORT_RANGE where the options name no ports. Equal to `std::errc::invalid_argument`.
    invalid_range,

    /// The socket carries SO_REUSEADDR: another socket could share its port.
    /// Equal to `std::errc::invalid_argument`.
    reuse_address_set,

    /// The socket carries SO_REUSEPORT: another socket could share its port.
    /// Equal to `std::errc::invalid_argument`.
    reuse_port_set,

    /// The back end asked for, by option or by BERTH_BACKEND, is not there;
    /// `available_backends()` says why. Equal to `std::errc::not_supported`.
    backend_unavailable,

    /// The lease holds nothing in this process: it was moved from, released, or copied by fork.
    /// Equal to `std::errc::bad_file_descriptor`.
    lease_empty,

    /// A `port_set` of more than `port_set::max_ranges` separate ranges.
    /// Equal to `std::errc::invalid_argument`.
    too_many_ranges,

    /// The options leave no port to choose from: `ports` is empty, or holds none but what
    /// `browser_safe` or the system leaves out. Equal to `std::errc::invalid_argument`.
    no_ports,

    /// The option `preferred` is 0. Equal to `std::errc::invalid_argument`.
    invalid_preferred,

    /// The option `transports` names none. Equal to `std::errc::invalid_argument`.
    invalid_transports,

    /// The option `families` names none, or leaves out that of one of `addresses`.
    /// Equal to `std::errc::invalid_argument`.
    invalid_families,

    /// A `port_pattern` that nothing can match: an offset given twice, negative or above 65 535,
    /// none of 0, a multiple of 0, more than 65 535 ports, a block of none. Equal to
    /// `std::errc::invalid_argument`.
    invalid_pattern,

    /// The ports to choose from have no place for the `port_pattern`.
    /// Equal to `std::errc::invalid_argument`.
    pattern_too_wide,

    /// The lease holds no TCP port, which is what can listen.
    /// Equal to `std::errc::wrong_protocol_type`.
    not_tcp,

    /// The process that was to bring the server up has ended. Equal to
    /// `std::errc::no_such_process`.
    process_ended,

    /// Another process listens on the port than the one asked for. Equal to
    /// `std::errc::address_in_use`.
    wrong_owner,
};

/// The category of `berth::error`. Threads: any.
[[nodiscard]] const std::error_category& error_category() noexcept;

/// Lets an `error` become a `std::error_code`. Threads: any.
[[nodiscard]] std::error_code make_error_code(error e) noexcept;

} // namespace berth

template <>
struct std::is_error_code_enum<berth::error> : std::true_type {};
