// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/error.hpp>
#include <berth/port_range.hpp>

#include <charconv>

namespace berth {

namespace {

// Reads a decimal port off the front of the text; false where there is none.
bool read_port(std::string_view& text, std::uint16_t& port) noexcept
{
    const char* const end = text.data() + text.size();
    const auto [rest, ec] = std::from_chars(text.data(), end, port);
    if (ec != std::errc())
        return false;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    return true;
}

} // namespace

port_range port_range::parse(std::string_view text, std::error_code& ec) noexcept
{
    port_range range{0, 0};
    bool whole = read_port(text, range.first);
    range.last = range.first;
    if (whole && text.starts_with('-')) {
        text.remove_prefix(1);
        whole = read_port(text, range.last);
    }
    if (!whole || !text.empty() || !range.valid()) {
        ec = error::invalid_range;
        return {0, 0};
    }
    ec.clear();
    return range;
}

port_range port_range::parse(std::string_view text)
{
    std::error_code ec;
    const port_range range = parse(text, ec);
    if (ec)
        throw std::system_error(ec, "berth::port_range::parse(\"" + std::string(text) +
                                        "\")");
    return range;
}

std::string to_string(port_range range)
{
    return std::to_string(range.first) + '-' + std::to_string(range.last);
}

} // namespace berth
