// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "socket_steps.hpp"

namespace berth::detail {

socket_steps steps_for(const socket_spec& spec, sharing_rules rules) noexcept
{
    socket_steps steps;
    // Always: what a new socket has (net.ipv6.bindv6only) may change at any moment, and is the
    // network namespace's.
    if (spec.address.is_v6())
        steps.add(socket_step::set_ipv6_only);

    if (rules == sharing_rules::winsock) {
        steps.add(socket_step::set_exclusive);
        steps.add(socket_step::bind);
    } else {
        steps.add(socket_step::bind);
        const bool holds = spec.use == socket_use::hold;
        if (holds && spec.udp) // it takes no datagram then
            steps.add(socket_step::connect);
        // After the bind: two sockets that were reusable before theirs could both be given the port.
        if (holds && spec.mode == lease_mode::open) {
            steps.add(socket_step::set_reuse_address);
            // Never on UDP, where the kernel shares the datagrams out among such sockets.
            if (!spec.udp)
                steps.add(socket_step::set_reuse_port);
        }
    }
    if (spec.use == socket_use::listen)
        steps.add(socket_step::listen);
    return steps;
}

} // namespace berth::detail
