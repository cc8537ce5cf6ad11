// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "holder_list.hpp"

#include "system.hpp"

#include <algorithm>

namespace berth::detail {

namespace {

bool has(transports set, transports one) noexcept
{
    return (static_cast<unsigned>(set) & static_cast<unsigned>(one)) != 0;
}

address_list every_address(families wanted, bool have_ipv6) noexcept
{
    const bool ipv6 = wanted == families::v6 || (wanted == families::both && have_ipv6);
    if (ipv6)
        return asio::ip::address_v6::any();
    return asio::ip::address_v4::any();
}

// The address whose ports the kernel keeps: of IPv4 where that is mapped, and without a scope
// where none is asked for.
// NOLINTNEXTLINE(bugprone-exception-escape): of the right family
asio::ip::address as_bound(const asio::ip::address& address) noexcept
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

bool is_wildcard(const asio::ip::address& address) noexcept
{
    return as_bound(address).is_unspecified();
}

// Whether a socket on `first`, a wildcard or not, has the ports of `second` as well.
bool covers(const asio::ip::address& first, const asio::ip::address& second,
            bool ipv6_only) noexcept
{
    const asio::ip::address one = as_bound(first);
    const asio::ip::address other = as_bound(second);
    if (one == other)
        return true;
    const bool reaches = one.is_v6() ? other.is_v6() || !ipv6_only : other.is_v4();
    return one.is_unspecified() && reaches;
}

} // namespace

holder_list holders_for(const request& asked, bool have_ipv6,
                        bool have_ipv6_loopback) noexcept
{
    holder_list list;
    if (asked.what != product::lease) {
        list.add({.address = *asked.addresses.begin()});
        return list;
    }

    const bool ipv6_only = asked.families == families::v6;
    const address_list addresses = asked.addresses.empty()
                                       ? every_address(asked.families, have_ipv6)
                                       : asked.addresses;
    const auto add = [&](const asio::ip::address& address, bool udp) {
        const auto is_covered = [&](const holder_at& there) {
            return there.udp == udp && covers(there.address, address, ipv6_only);
        };
        if (std::ranges::none_of(list.all(), is_covered))
            list.add({.address = address, .udp = udp, .ipv6_only = ipv6_only});
    };
    const auto add_for = [&](const asio::ip::address& address, bool udp) {
        if (!udp || !udp_holders_are_connected || !address.is_unspecified()) {
            add(address, udp);
            return;
        }
        if (address.is_v4() || !ipv6_only)
            add(asio::ip::address_v4::loopback(), udp);
        if (address.is_v6() && (ipv6_only || have_ipv6_loopback))
            add(asio::ip::address_v6::loopback(), udp);
    };

    for (const bool udp : {false, true}) {
        if (!has(asked.transports, udp ? transports::udp : transports::tcp))
            continue;
        // The wildcards first, for what they cover.
        for (const bool everywhere : {true, false})
            for (const asio::ip::address& address : addresses)
                if (is_wildcard(address) == everywhere)
                    add_for(address, udp);
    }
    return list;
}

} // namespace berth::detail
