// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "allocator.hpp"
#include "reports.hpp"

#include <berth/detail/operation.hpp>
#include <berth/error.hpp>
#include <berth/port_lease.hpp>

#include <string>
#include <utility>

namespace berth {

void port_lease::open()
{
    std::error_code ec;
    open(ec);
    if (ec)
        detail::throw_lease_error(ec, "open", port());
}

void port_lease::open(std::error_code& ec) noexcept
{
    set_mode(lease_mode::open, ec);
}

void port_lease::seal()
{
    std::error_code ec;
    seal(ec);
    if (ec)
        detail::throw_lease_error(ec, "seal", port());
}

void port_lease::seal(std::error_code& ec) noexcept
{
    set_mode(lease_mode::sealed, ec);
}

void port_lease::set_mode(lease_mode mode, std::error_code& ec) noexcept
{
    if (!valid() || held_.by->disowned()) {
        ec = error::lease_empty;
        return;
    }
    ec = mode == held_.mode
             ? std::error_code()
             : held_.by->set_mode(held_.handle, {held_.udp, held_.ipv6}, mode);
    if (!ec)
        held_.mode = mode;
}

std::uint16_t port_lease::release() noexcept
{
    const detail::holding held = std::exchange(held_, {});
    if (held.by != nullptr) {
        detail::lease_ended(held);
        held.by->close(held.handle);
        if (!held.by->disowned())
            detail::allocator::instance().returned(held.port);
    }
    return held.port;
}

void port_lease::release_first() noexcept
{
    if (const auto next = held_.by->close_first_of_several(held_.handle)) {
        held_.udp = next->udp;
        held_.ipv6 = next->ipv6;
    } else {
        release();
    }
}

void port_lease::drop() noexcept
{
    detail::lease_ended(held_);
    const bool may_wait =
        held_.may_linger && held_.mode == lease_mode::open && !held_.by->disowned();
    if (may_wait && detail::completion::close_soon(*held_.by, held_.handle))
        detail::allocator::instance().dropped(held_.port);
    else
        release();
}

protocol_info port_lease::duplicate_for(std::uint32_t process) const
{
    std::error_code ec;
    const protocol_info info = duplicate_for(process, ec);
    if (ec)
        detail::throw_lease_error(ec, "duplicate_for", port());
    return info;
}

protocol_info port_lease::duplicate_for(std::uint32_t process,
                                        std::error_code& ec) const noexcept
{
    if (!valid() || held_.by->disowned()) {
        ec = error::lease_empty;
        return {};
    }
    return held_.by->duplicate_for(held_.handle, process, ec);
}

detail::unique_socket port_lease::duplicate(std::error_code& ec) const noexcept
{
    return held_.by->duplicate(held_.handle, ec);
}

void detail::throw_lease_error(const std::error_code& ec, const char* verb,
                               std::uint16_t port)
{
    throw std::system_error(ec, "berth::port_lease::" + std::string(verb) + "(port " +
                                    std::to_string(port) + ')');
}

} // namespace berth
