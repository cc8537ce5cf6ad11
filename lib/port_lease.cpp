// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "allocator.hpp"

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
        detail::throw_lease_error(ec, "open", port_);
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
        detail::throw_lease_error(ec, "seal", port_);
}

void port_lease::seal(std::error_code& ec) noexcept
{
    set_mode(lease_mode::sealed, ec);
}

void port_lease::set_mode(lease_mode mode, std::error_code& ec) noexcept
{
    if (!valid() || backend_->disowned()) {
        ec = error::lease_empty;
        return;
    }
    ec = mode == mode_ ? std::error_code() : backend_->set_mode(handle_, mode);
    if (!ec)
        mode_ = mode;
}

std::uint16_t port_lease::release() noexcept
{
    detail::port_backend* const holder = std::exchange(backend_, nullptr);
    if (holder != nullptr) {
        holder->close(handle_);
        if (!holder->disowned())
            detail::allocator::instance().returned(port_);
    }
    mode_ = lease_mode::sealed;
    return std::exchange(port_, 0);
}

detail::unique_socket port_lease::duplicate(std::error_code& ec) const noexcept
{
    return backend_->duplicate(handle_, ec);
}

void detail::throw_lease_error(const std::error_code& ec, const char* verb,
                               std::uint16_t port)
{
    throw std::system_error(ec, "berth::port_lease::" + std::string(verb) + "(port " +
                                    std::to_string(port) + ')');
}

} // namespace berth
