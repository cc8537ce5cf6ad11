// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "lease_access.hpp"
#include "reports.hpp"
#include "system.hpp"

#include <berth/error.hpp>
#include <berth/port_lease.hpp>

#include <atomic>
#include <string>
#include <utility>

namespace berth {

namespace {

std::atomic<void (*)(std::uint16_t) noexcept> observer = nullptr;

lease_mode other_than(lease_mode mode) noexcept
{
    return mode == lease_mode::open ? lease_mode::sealed : lease_mode::open;
}

} // namespace

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
    ec.clear();
    if (!valid() || sockets_.inherited()) {
        ec = error::lease_empty;
        return;
    }
    if (mode == mode_)
        return;
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
        ec = detail::set_mode(sockets_[i], sockets_.is_udp(i), mode);
        if (!ec)
            continue;
        while (i-- > 0)
            (void)detail::set_mode(sockets_[i], sockets_.is_udp(i), other_than(mode));
        return;
    }
    mode_ = mode;
}

std::uint16_t port_lease::release() noexcept
{
    const bool gives_back = valid() && !sockets_.inherited();
    if (gives_back)
        detail::lease_ended(sockets_.last());
    sockets_.clear();
    mode_ = lease_mode::sealed;
    const std::uint16_t port = std::exchange(port_, std::uint16_t{0});
    if (gives_back)
        if (const auto tell = observer.load(std::memory_order_acquire))
            tell(port);
    return port;
}

// Seals the first socket, for a reusable listener could be joined by a second one that sets
// SO_REUSEPORT.
void port_lease::begin_listening(std::error_code& ec) noexcept
{
    ec.clear();
    if (!valid() || sockets_.inherited())
        ec = error::lease_empty;
    else if (sockets_.is_udp(0))
        ec = error::not_tcp;
    else if (mode_ == lease_mode::open)
        ec = detail::set_mode(sockets_[0], false, lease_mode::sealed);
}

// The first socket is the acceptor's, or is taken back.
void port_lease::end_listening(const std::error_code& ec) noexcept
{
    if (!ec) {
        const detail::native_socket known_by = sockets_.last();
        sockets_.remove_first();
        if (!valid()) {
            detail::lease_ended(known_by);
            port_ = 0;
            mode_ = lease_mode::sealed;
        }
        return;
    }
    if (mode_ == lease_mode::open)
        (void)detail::set_mode(sockets_[0], false, lease_mode::open);
    if (ec == std::errc::address_in_use)
        detail::report_theft(port_, sockets_.last());
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
    if (!valid() || sockets_.inherited()) {
        ec = error::lease_empty;
        return {};
    }
    return detail::describe_socket(sockets_[0], process, ec);
}

void detail::throw_lease_error(const std::error_code& ec, const char* verb,
                               std::uint16_t port)
{
    throw std::system_error(ec, "berth::port_lease::" + std::string(verb) + "(port " +
                                    std::to_string(port) + ')');
}

void detail::observe_leases(void (*ended)(std::uint16_t port) noexcept) noexcept
{
    observer.store(ended, std::memory_order_release);
}

} // namespace berth
