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

// `[::]` takes in `0.0.0.0`, and either takes in what is no wildcard.
int width_of(const asio::ip::address& address) noexcept
{
    if (!address.is_unspecified())
        return 0;
    return address.is_v6() ? 2 : 1;
}

// Whether a socket on `one`, a wildcard or not, has the ports of `other` as well.
bool covers(const asio::ip::address& one, const asio::ip::address& other,
            bool ipv6_only) noexcept
{
    if (one == other)
        return true;
    const bool reaches = one.is_v6() ? other.is_v6() || !ipv6_only : other.is_v4();
    return one.is_unspecified() && reaches;
}

// Adds a holder, unless one that is there covers it.
void add(holder_at one, holder_list& list) noexcept
{
    const auto covers_it = [&](const holder_at& there) {
        return there.udp == one.udp && covers(there.address, one.address, one.ipv6_only);
    };
    const auto is_beside = [&](const holder_at& there) {
        return there.udp == one.udp && there.address.is_v6() == one.address.is_v6();
    };
    if (std::ranges::any_of(list.all(), covers_it))
        return;
    one.beside_own = std::ranges::any_of(list.all(), is_beside);
    list.add(one);
}

// Adds a holder, or the two that stand for it.
void add_for(const holder_at& one, bool have_ipv6_loopback, holder_list& list) noexcept
{
    if (!one.udp || !udp_holders_are_connected || !one.address.is_unspecified()) {
        add(one, list);
        return;
    }
    holder_at instead = one;
    if (one.address.is_v4() || !one.ipv6_only) {
        instead.address = asio::ip::address_v4::loopback();
        add(instead, list);
    }
    if (one.address.is_v6() && (one.ipv6_only || have_ipv6_loopback)) {
        instead.address = asio::ip::address_v6::loopback();
        add(instead, list);
    }
}

} // namespace

holder_list holders_for(const request& asked, bool have_ipv6, bool have_ipv6_loopback)
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
    for (const bool udp : {false, true}) {
        if (!has(asked.transports, udp ? transports::udp : transports::tcp))
            continue;
        // The widest first, for what they cover.
        for (const int width : {2, 1, 0})
            for (const asio::ip::address& address : addresses)
                if (const auto bound = as_bound(address); width_of(bound) == width)
                    add_for({.address = bound, .udp = udp, .ipv6_only = ipv6_only},
                            have_ipv6_loopback, list);
    }
    return list;
}

} // namespace berth::detail
