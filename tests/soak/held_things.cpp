// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "held_things.hpp"

#include "checks.hpp"

#include <asio/ip/address.hpp>

namespace berth::soak {

std::atomic<std::uint64_t> granted_here = 0;

namespace {

// Returns the cells from which a lease keeps others out. A lease on every address holds UDP on the
// loopback addresses.
cells cells_of(const find_options& options)
{
    const bool ipv6_only = options.families == families::v6;
    address_list addresses = options.addresses;
    if (addresses.empty()) {
        if (options.families == families::v4)
            addresses = asio::ip::address_v4::any();
        else
            addresses = asio::ip::address_v6::any();
    }
    cells where = 0;
    for (const asio::ip::address& address : addresses) {
        if (options.transports != transports::udp)
            where |= soak::cells_of(address, ipv6_only, false);
        if (options.transports == transports::tcp)
            continue;
        if (!address.is_unspecified())
            where |= soak::cells_of(address, false, true);
        else {
            if (address.is_v4() || !ipv6_only)
                where |= soak::cells_of(asio::ip::address_v4::loopback(), false, true);
            if (address.is_v6())
                where |= soak::cells_of(asio::ip::address_v6::loopback(), false, true);
        }
    }
    return where;
}

hold hold_of(lease_mode mode)
{
    return mode == lease_mode::open ? hold::open : hold::sealed;
}

} // namespace

void count_granted(std::uint64_t ports)
{
    granted_here += ports;
    shared->count(counter::granted, ports);
}

cells first_cells_of(const find_options& options)
{
    if (options.transports == transports::udp)
        return 0;
    const bool ipv6_only = options.families == families::v6;
    if (options.addresses.empty())
        return soak::cells_of(options.families == families::v4
                                  ? asio::ip::address(asio::ip::address_v4::any())
                                  : asio::ip::address_v6::any(),
                              ipv6_only, false);
    const auto* chosen = options.addresses.begin(); // the widest, and the first of those
    for (const asio::ip::address& address : options.addresses)
        if (address.is_unspecified() &&
            (!chosen->is_unspecified() || (address.is_v6() && !ipv6_only)))
            chosen = &address;
    return soak::cells_of(*chosen, ipv6_only, false);
}

record note(const port_lease& lease, const find_options& options, std::uint64_t asked)
{
    count_granted();
    expect(lease.valid() && lease.port() != 0, "a lease that was found is valid");
    expect(lease.mode() == options.mode, "a lease has the mode that was asked for");
    return {lease.port(), cells_of(options), hold_of(options.mode), asked};
}

} // namespace berth::soak
