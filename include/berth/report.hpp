// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/source_location.hpp>

#include <cstdint>

namespace berth {

/// What may happen to a lease that nobody sees by itself.
enum class incident : std::uint8_t {
    theft, ///< Somebody else has the number.
    leak,  ///< The lease was still there when the process ended.
};

/// What happened, to which lease.
struct report {
    incident what;      ///< Stolen or leaked.
    std::uint16_t port; ///< The lease's number.

    /// `find_options::where` of the lease; line 0 where the lease is older than the handler.
    source_location where;
};

/// A function that is told. It must not throw.
using report_handler = void (*)(const report&);

/// Sets the process's handler, null for none, and returns the one before. There is none at first.
///
/// A theft is reported by `port_lease::listen()` where it fails with EADDRINUSE, for somebody has
/// bound the open lease, listening or not; and by `wait_until_listening()` with a lease where it
/// ends with `error::wrong_owner`. The lease is as it was before the call.
///
/// A leak is reported for each lease that exists when std::exit() runs what std::atexit() was
/// given, as after main() has returned. The first handler that is set registers for that: a static
/// object made before is destroyed later, and a lease in it counts as leaked; one made after is
/// destroyed earlier. A process that ends in another way (a signal, std::_Exit()) reports nothing.
///
/// Only the leases that are found while a handler is set are known. The child of a fork() keeps
/// the handler and knows only the leases that it finds itself.
///
/// Threads: any. The handler is called on the thread that called listen() or waits, or that ends
/// the process; on several at once, and perhaps once more on another thread after it was replaced.
/// Nothing is locked meanwhile: it may call anything of berth's.
///
/// Example:
/// @code
/// berth::set_report_handler([](const berth::report& r) {
///     std::cerr << r.where.file_name() << ':' << r.where.line() << ": port " << r.port
///               << (r.what == berth::incident::leak ? " was leaked\n" : " was stolen\n");
/// });
/// @endcode
report_handler set_report_handler(report_handler handler) noexcept;

} // namespace berth
