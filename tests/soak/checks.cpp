// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "checks.hpp"

namespace berth::soak {

namespace {

bool is_blocked(std::uint16_t port) // in the two ranges
{
    return port == 6566 || (6665 <= port && port <= 6669) || port == 6679 || port == 6697;
}

} // namespace

void expect(bool holds, const std::string& what)
{
    if (!holds)
        shared->fail("not so: " + what);
}

void check_error(const std::error_code& ec, bool allowed, const std::string& what)
{
    if (ec == error::ports_exhausted)
        shared->count(counter::exhausted);
    if (ec && !allowed)
        shared->fail(what + " failed: " + ec.message() + " (" + ec.category().name() +
                     ' ' + std::to_string(ec.value()) + ')');
}

bool may_be_exhausted(const std::optional<port_set>& ports)
{
    return !ports || ports->size() < wide.size() / 2;
}

void check_number(std::uint16_t port, const std::optional<port_set>& ports,
                  const std::optional<std::uint16_t>& preferred, bool browser_safe)
{
    const port_set from = ports.value_or(narrow);
    expect(from.contains(port) || port == preferred,
           "port " + std::to_string(port) + " is of " + to_string(from));
    expect(!browser_safe || !is_blocked(port),
           "browsers connect to port " + std::to_string(port));
}

} // namespace berth::soak
