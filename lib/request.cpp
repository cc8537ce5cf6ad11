// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "allocator.hpp"

#include <berth/detail/request.hpp>
#include <berth/error.hpp>

#include <chrono>
#include <string>

// What can be said of a request without answering it.

namespace berth::detail {

namespace {

std::string call(const char* verb, const std::string& details)
{
    return "berth::" + std::string(verb) + '(' + details + ')';
}

const char* every_address(families wanted) noexcept
{
    switch (wanted) {
    case families::v4:
        return "every IPv4 address";
    case families::v6:
        return "every IPv6 address";
    case families::both:
        break;
    }
    return "every address";
}

std::string describe(const port_pattern& pattern)
{
    std::string text = std::to_string(pattern.size());
    if (pattern.is_block())
        text += " in a row";
    else if (!pattern.has_offsets())
        text += " of them";
    for (std::size_t i = 0; pattern.has_offsets() && i < pattern.size(); ++i) {
        text += i == 0 ? " at offsets " : ",";
        text += std::to_string(pattern.offset(i));
    }
    if (pattern.divisor() != 1) {
        text += " from a multiple of ";
        text += std::to_string(pattern.divisor());
    }
    return text;
}

// Its options, the first of them without a comma. Where there is no allocator no ports were
// searched.
std::string describe(const request& asked, const candidate_sets* searched)
{
    std::string text;
    for (const asio::ip::address& address : asked.addresses) {
        if (!text.empty())
            text += ' ';
        text += address.to_string();
    }
    if (text.empty())
        text = every_address(asked.families);

    const auto add = [&text](const std::string& more) {
        text += ", ";
        text += more;
    };
    if (searched != nullptr)
        add(searched->describe(asked.ports, asked.browser_safe));
    if (asked.pattern)
        add(describe(*asked.pattern));
    if (!asked.addresses.empty() && asked.families == families::v4)
        add("IPv4 only");
    if (!asked.addresses.empty() && asked.families == families::v6)
        add("IPv6 only");
    if (asked.transports == transports::udp)
        add("UDP");
    if (asked.transports == transports::both)
        add("TCP and UDP");
    if (asked.preferred)
        add("preferred " + std::to_string(*asked.preferred));
    if (asked.browser_safe)
        add("browser-safe");
    if (asked.wait.count() > 0)
        add("waiting " +
            std::to_string(
                std::chrono::duration_cast<std::chrono::milliseconds>(asked.wait)
                    .count()) +
            " ms");
    if (asked.which != backend::automatic)
        add("back end " + std::string(to_string(asked.which)));
    return text;
}

} // namespace

std::error_code check(const request& asked) noexcept
{
    if (asked.ports && asked.ports->error())
        return asked.ports->error();
    if (asked.ports && asked.ports->empty())
        return error::no_ports;
    if (asked.preferred == 0)
        return error::invalid_preferred;
    if (asked.pattern && asked.pattern->error())
        return asked.pattern->error();
    const auto transports = static_cast<unsigned>(asked.transports);
    if (transports == 0 || transports > static_cast<unsigned>(berth::transports::both))
        return error::invalid_transports;
    const auto families = static_cast<unsigned>(asked.families);
    if (families == 0 || families > static_cast<unsigned>(berth::families::both))
        return error::invalid_families;
    for (const asio::ip::address& address : asked.addresses) {
        const auto family = address.is_v6() ? berth::families::v6 : berth::families::v4;
        if ((families & static_cast<unsigned>(family)) == 0)
            return error::invalid_families;
    }
    return {};
}

std::exception_ptr make_exception(const std::error_code& ec, const char* verb,
                                  const request& asked) noexcept
{
    try {
        throw_error(ec, verb, asked);
    } catch (...) {
        return std::current_exception();
    }
}

void throw_error(const std::error_code& ec, const char* verb, const request& asked)
{
    throw std::system_error(
        ec, call(verb, ec == error::backend_unavailable
                           ? allocator::instance().backends().why_unavailable(asked.which)
                           : describe(asked, allocator::searched())));
}

void throw_error(const std::error_code& ec, const char* verb,
                 const asio::ip::address& address)
{
    std::string details = "your socket, " + address.to_string();
    if (const candidate_sets* const searched = allocator::searched())
        details += ", " + searched->describe(std::nullopt, false);
    throw std::system_error(ec, call(verb, details));
}

} // namespace berth::detail
