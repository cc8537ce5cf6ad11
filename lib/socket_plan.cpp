// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "socket_plan.hpp"

#include "system.hpp"

#include <algorithm>

namespace berth::detail {

namespace {

bool has(transports set, transports one) noexcept
{
    return (static_cast<unsigned>(set) & static_cast<unsigned>(one)) != 0;
}

asio::ip::address every_address(families wanted, bool have_ipv6) noexcept
{
    const bool ipv6 = wanted == families::v6 || (wanted == families::both && have_ipv6);
    if (ipv6)
        return asio::ip::address_v6::any();
    return asio::ip::address_v4::any();
}

// Returns the address under which the kernel keeps the port: a mapped one as IPv4, and no scope where
// it has no meaning.
asio::ip::address as_bound(const asio::ip::address& address)
{
    if (!address.is_v6())
        return address;
    asio::ip::address_v6 v6 = address.to_v6();
    if (v6.is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, v6);
    if (!v6.is_link_local() && !v6.is_multicast())
        v6.scope_id(0);
    return v6;
}

// 2: `[::]`, 1: `0.0.0.0`, 0: a specific address.
int width_of(const asio::ip::address& address) noexcept
{
    if (!address.is_unspecified())
        return 0;
    return address.is_v6() ? 2 : 1;
}

// True if a socket on `one`, a wildcard or not, has the ports of `other` as well.
bool covers(const asio::ip::address& one, const asio::ip::address& other,
            bool ipv6_only) noexcept
{
    if (one == other)
        return true;
    const bool reaches = one.is_v6() ? other.is_v6() || !ipv6_only : other.is_v4();
    return one.is_unspecified() && reaches;
}

// Adds a socket, unless one that is there covers it.
void add(socket_spec one, socket_plan& plan) noexcept
{
    const auto covers_it = [&](const socket_spec& there) {
        return there.udp == one.udp && covers(there.address, one.address, one.ipv6_only);
    };
    const auto is_beside = [&](const socket_spec& there) {
        return there.udp == one.udp && there.address.is_v6() == one.address.is_v6();
    };
    if (std::ranges::any_of(plan.all(), covers_it))
        return;
    one.beside_own = std::ranges::any_of(plan.all(), is_beside);
    plan.add(one);
}

// Adds a holder, or the two that stand for it.
void add_holder(const socket_spec& one, socket_plan& plan) noexcept
{
    if (!one.udp || !udp_holders_are_connected || !one.address.is_unspecified()) {
        add(one, plan);
        return;
    }
    const bool both = one.address.is_v6() && !one.ipv6_only;
    socket_spec instead = one;
    if (one.address.is_v4() || both) {
        instead.address = asio::ip::address_v4::loopback();
        add(instead, plan);
    }
    if (one.address.is_v6()) {
        instead.address = asio::ip::address_v6::loopback();
        instead.optional = both;
        add(instead, plan);
    }
}

socket_plan plan_own_socket(const request& asked)
{
    const bool udp = asked.what == product::udp_socket;
    socket_plan plan;
    plan.add({.address = *asked.addresses.begin(),
              .use = !udp && asked.listen ? socket_use::listen : socket_use::own,
              .udp = udp,
              .backlog = asked.backlog});
    return plan;
}

} // namespace

socket_plan plan_sockets(const request& asked, bool have_ipv6)
{
    if (asked.what != product::lease)
        return plan_own_socket(asked);

    const bool ipv6_only = asked.families == families::v6;
    socket_plan plan;
    if (asked.addresses.empty() &&
        asked.transports == transports::tcp) { // as most requests
        plan.add({.address = every_address(asked.families, have_ipv6),
                  .ipv6_only = ipv6_only,
                  .mode = asked.mode});
        return plan;
    }

    const address_list addresses =
        asked.addresses.empty() ? address_list(every_address(asked.families, have_ipv6))
                                : asked.addresses;
    for (const bool udp : {false, true}) {
        if (!has(asked.transports, udp ? transports::udp : transports::tcp))
            continue;
        // The widest first, for what they cover.
        for (const int width : {2, 1, 0})
            for (const asio::ip::address& address : addresses)
                if (const auto bound = as_bound(address); width_of(bound) == width)
                    add_holder({.address = bound,
                                .udp = udp,
                                .ipv6_only = ipv6_only,
                                .mode = asked.mode},
                               plan);
    }
    return plan;
}

} // namespace berth::detail
