// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "ledger.hpp"

#include <berth/error.hpp>
#include <berth/port_set.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

// What an answer of the library must be; all else is a failure of the soak.

namespace berth::soak {

inline constexpr port_range all_ports = {1, 65535};

/// Fails the soak unless `holds`.
void expect(bool holds, const std::string& what);

/// Fails the soak if `ec` is an error that is not `allowed`.
void check_error(const std::error_code& ec, bool allowed, const std::string& what);

/// True if all ports of a request may be taken. Of a wide range most are free.
[[nodiscard]] bool may_be_exhausted(const std::optional<port_set>& ports);

/// Counts a request that may wait.
template <class Options>
void count_wait(const Options& options)
{
    if (options.wait.count() > 0)
        shared->count(counter::waits);
}

/// Fails the soak if `ec` is an error that is neither `allowed` nor explained by the options.
template <class Options>
void check_request(const std::error_code& ec, const Options& options, bool allowed,
                   const std::string& what)
{
    if (ec == error::ports_exhausted && options.wait.count() > 0)
        shared->count(counter::waits_in_vain);
    check_error(ec,
                allowed ||
                    (ec == error::ports_exhausted && may_be_exhausted(options.ports)) ||
                    (ec == error::no_ports && options.browser_safe),
                what);
}

/// Fails the soak unless `port` is one that was asked for.
void check_number(std::uint16_t port, const std::optional<port_set>& ports,
                  const std::optional<std::uint16_t>& preferred, bool browser_safe);

} // namespace berth::soak
