// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/error.hpp>
#include <berth/port_set.hpp>

#include <algorithm>

namespace berth {

port_set::port_set(port_range range) noexcept
{
    ranges_[count_++] = range;
    if (!range.valid())
        fault_ = fault::invalid_range;
}

// Ranges come in ascending order of their first ports.
void port_set::append(port_range range) noexcept
{
    if (count_ != 0 && range.first <= ranges_[count_ - 1U].last + 1) {
        ranges_[count_ - 1U].last = std::max(ranges_[count_ - 1U].last, range.last);
    } else if (count_ == max_ranges) {
        fault_ = fault::too_many_ranges;
    } else {
        ranges_[count_++] = range;
    }
}

port_set operator|(const port_set& one, const port_set& other) noexcept
{
    if (one.is_faulty() || other.is_faulty())
        return one.is_faulty() ? one : other;
    port_set both;
    std::array<port_range, 2 * port_set::max_ranges> all = {};
    std::ranges::merge(one.ranges(), other.ranges(), all.begin(), {}, &port_range::first,
                       &port_range::first);
    for (const port_range range :
         std::span(all).first(one.count_ + std::size_t{other.count_}))
        both.append(range);
    return both;
}

port_set operator-(const port_set& one, const port_set& other) noexcept
{
    if (one.is_faulty() || other.is_faulty())
        return one.is_faulty() ? one : other;
    port_set rest;
    for (const port_range whole : one.ranges()) {
        std::uint32_t next = whole.first;
        for (const port_range gone : other.ranges()) {
            if (gone.last < next || gone.first > whole.last)
                continue;
            if (gone.first > next)
                rest.append({static_cast<std::uint16_t>(next),
                             static_cast<std::uint16_t>(gone.first - 1)});
            next = gone.last + 1U;
        }
        if (next <= whole.last)
            rest.append({static_cast<std::uint16_t>(next), whole.last});
    }
    return rest;
}

port_set operator&(const port_set& one, const port_set& other) noexcept
{
    if (one.is_faulty() || other.is_faulty())
        return one.is_faulty() ? one : other;
    port_set common;
    for (const port_range left : one.ranges()) {
        for (const port_range right : other.ranges()) {
            const port_range shared = {std::max(left.first, right.first),
                                       std::min(left.last, right.last)};
            if (shared.valid())
                common.append(shared);
        }
    }
    return common;
}

bool operator==(const port_set& one, const port_set& other) noexcept
{
    return one.fault_ == other.fault_ && std::ranges::equal(one.ranges(), other.ranges());
}

bool port_set::contains(std::uint16_t port) const noexcept
{
    return std::ranges::any_of(ranges(),
                               [port](port_range range) { return range.contains(port); });
}

std::uint16_t port_set::size() const noexcept
{
    std::uint16_t size = 0;
    for (const port_range range : ranges())
        size = static_cast<std::uint16_t>(size + range.size());
    return size;
}

std::error_code port_set::error() const noexcept
{
    switch (fault_) {
    case fault::none:
        break;
    case fault::invalid_range:
        return berth::error::invalid_range;
    case fault::too_many_ranges:
        return berth::error::too_many_ranges;
    }
    return {};
}

port_set port_set::parse(std::string_view text, std::error_code& ec) noexcept
{
    port_set ports;
    for (;;) {
        const std::size_t comma = text.find(',');
        ports = ports | port_range::parse(text.substr(0, comma), ec);
        if (!ec)
            ec = ports.error();
        if (ec)
            return {};
        if (comma == std::string_view::npos)
            return ports;
        text.remove_prefix(comma + 1);
    }
}

port_set port_set::parse(std::string_view text)
{
    std::error_code ec;
    const port_set ports = parse(text, ec);
    if (ec)
        throw std::system_error(ec,
                                "berth::port_set::parse(\"" + std::string(text) + "\")");
    return ports;
}

port_set port_set::outside_ephemeral() noexcept
{
    return port_set(port_range{1024, 65535}) - port_range::system_ephemeral();
}

std::string to_string(const port_set& ports)
{
    std::string text;
    for (const port_range range : ports.ranges()) {
        if (!text.empty())
            text += ',';
        text +=
            range.first == range.last ? std::to_string(range.first) : to_string(range);
    }
    return text;
}

} // namespace berth
