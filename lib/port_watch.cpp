// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "port_probe.hpp"

#include <berth/detail/port_watch.hpp>
#include <berth/error.hpp>
#include <berth/find_port_owner.hpp>
#include <berth/wait_until_listening.hpp>
#include <berth/wait_until_released.hpp>

#include <algorithm>
#include <new>
#include <string>
#include <utility>

namespace berth {

namespace detail {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds first_pause{1};
constexpr std::chrono::milliseconds longest_pause{16};

steady_clock::time_point after(steady_clock::duration timeout) noexcept
{
    const auto now = steady_clock::now();
    const auto ever = steady_clock::time_point::max() - now;
    return now + std::min(timeout, ever);
}

} // namespace

port_watch::port_watch(port_event what, watched_port port,
                       const wait_options& options) noexcept
    : what_(what), port_(port), options_(options), deadline_(after(options.timeout)),
      pause_(first_pause)
{}

port_watch::port_watch(port_watch&& other) noexcept = default;

port_watch::~port_watch() = default;

bool port_watch::over(std::error_code& ec) noexcept
{
    ec.clear();
    try {
        if (port_.number() == 0)
            ec = port_.leased() ? make_error_code(error::lease_empty)
                                : make_error_code(std::errc::invalid_argument);
        else if (probe_ == nullptr)
            probe_ = std::make_unique<port_probe>(what_, port_, options_);
        if (ec || probe_->look())
            return true;
    } catch (const std::system_error& e) {
        ec = e.code();
        if (ec == error::wrong_owner && port_.leased())
            report_theft(port_.number(), port_.lease_);
        return true;
    } catch (const std::bad_alloc&) {
        ec = make_error_code(std::errc::not_enough_memory);
        return true;
    }
    if (steady_clock::now() >= deadline_)
        ec = make_error_code(std::errc::timed_out);
    return static_cast<bool>(ec);
}

port_watch::duration port_watch::pause() noexcept
{
    const duration left = deadline_ - steady_clock::now();
    const duration next =
        std::exchange(pause_, std::min<duration>(2 * pause_, longest_pause));
    return std::clamp(next, duration::zero(), std::max(left, duration::zero()));
}

std::error_code port_watch::wait() noexcept
{
    std::error_code ec;
    while (!over(ec)) {
        try {
            probe_->sleep(pause());
        } catch (const std::system_error& e) {
            return e.code();
        }
    }
    return ec;
}

void port_watch::close() noexcept
{
    probe_.reset();
}

void throw_port_error(const std::error_code& ec, const char* verb, std::uint16_t port)
{
    throw std::system_error(ec, "berth::" + std::string(verb) + "(port " +
                                    std::to_string(port) + ')');
}

} // namespace detail

void wait_until_listening(watched_port port, const wait_options& options)
{
    std::error_code ec;
    wait_until_listening(port, options, ec);
    if (ec)
        detail::throw_port_error(ec, "wait_until_listening", port.number());
}

void wait_until_listening(watched_port port, const wait_options& options,
                          std::error_code& ec) noexcept
{
    ec = detail::port_watch(detail::port_event::listening, port, options).wait();
}

void wait_until_released(watched_port port, const wait_options& options)
{
    std::error_code ec;
    wait_until_released(port, options, ec);
    if (ec)
        detail::throw_port_error(ec, "wait_until_released", port.number());
}

void wait_until_released(watched_port port, const wait_options& options,
                         std::error_code& ec) noexcept
{
    ec = detail::port_watch(detail::port_event::released, port, options).wait();
}

port_owner find_port_owner(std::uint16_t port)
{
    std::error_code ec;
    port_owner found = find_port_owner(port, ec);
    if (ec)
        detail::throw_port_error(ec, "find_port_owner", port);
    return found;
}

} // namespace berth
