// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "any_options.hpp"

#include "foreign.hpp"

#include <asio/ip/address.hpp>

#include <chrono>
#include <optional>
#include <vector>

namespace berth::soak {

namespace {

using clock = std::chrono::steady_clock;

clock::duration any_wait(generator& chance)
{
    return once_in(chance, 3) ? std::chrono::microseconds(pick(chance, 30'000))
                              : clock::duration::zero();
}

std::optional<port_set> any_ports(generator& chance)
{
    const auto some = [&](port_range from, unsigned most) {
        const auto count = static_cast<std::uint16_t>(1 + pick(chance, most));
        const auto first =
            static_cast<std::uint16_t>(from.first + pick(chance, from.size() - count));
        return port_range{first, static_cast<std::uint16_t>(first + count - 1)};
    };
    switch (pick(chance, 8)) {
    case 0:
        return some(narrow, 30);
    case 1:
        return some(narrow, 100) | some(narrow, 10) | some(wide, 10);
    case 2:
        return port_set(wide);
    case 3:
        return port_set(wide) - some(wide, 100);
    case 4: {
        const port_range row =
            some(narrow, 10); // the same for many: their waiting lines meet
        return port_range{static_cast<std::uint16_t>(row.first / 10 * 10),
                          static_cast<std::uint16_t>(row.first / 10 * 10 + 4)} &
               port_set(narrow);
    }
    default:
        return std::nullopt;
    }
}

std::optional<std::uint16_t> any_preferred(generator& chance)
{
    return once_in(chance, 4) ? std::optional(any_port(chance)) : std::nullopt;
}

std::vector<backend> working_backends;

backend any_backend(generator& chance)
{
    return working_backends[pick(chance, unsigned(working_backends.size()))];
}

} // namespace

void find_working_backends()
{
    working_backends = {backend::automatic};
    for (const backend_status& one : available_backends())
        if (one.available)
            working_backends.push_back(one.which);
}

find_options any_find_options(generator& chance)
{
    find_options options;
    options.transports = transports(1 + pick(chance, 3));
    if (once_in(chance, 2))
        options.transports = transports::tcp;
    options.families =
        once_in(chance, 2) ? families::both : families(1 + pick(chance, 3));
    const auto allowed = [&] {
        for (;;) {
            const asio::ip::address address = any_address(chance);
            const auto family = address.is_v6() ? families::v6 : families::v4;
            if (options.families == families::both || options.families == family)
                return address;
        }
    };
    switch (pick(chance, 6)) { // one, two, three, or none: every address
    case 0:
        options.addresses = allowed();
        break;
    case 1:
        options.addresses = {allowed(), allowed()};
        break;
    case 2:
        options.addresses = {allowed(), allowed(), allowed()};
        break;
    default:
        break;
    }
    options.ports = any_ports(chance);
    options.preferred = any_preferred(chance);
    options.browser_safe = once_in(chance, 3);
    options.wait = any_wait(chance);
    options.mode = once_in(chance, 2) ? lease_mode::open : lease_mode::sealed;
    options.backend = any_backend(chance);
    return options;
}

bind_options any_bind_options(generator& chance)
{
    bind_options options;
    options.address = any_address(chance);
    options.ports = any_ports(chance);
    options.preferred = any_preferred(chance);
    options.browser_safe = once_in(chance, 3);
    options.wait = any_wait(chance);
    options.listen = !once_in(chance, 3);
    options.backlog = static_cast<int>(1 + pick(chance, 16));
    options.backend = any_backend(chance);
    return options;
}

port_pattern any_pattern(generator& chance)
{
    const auto divisor =
        static_cast<std::uint16_t>(once_in(chance, 3) ? 1 + pick(chance, 5) : 1);
    const auto pattern = [&]() -> port_pattern {
        switch (pick(chance, 8)) {
        case 0:
            return port_pattern::block(1 + pick(chance, 4));
        case 1:
            return port_pattern::block(1 + pick(chance, 40));
        case 2:
            return port_pattern::offsets(0, 1 + pick(chance, 20));
        case 3:
            return port_pattern::offsets(5, 0, 2);
        case 4:
            return port_pattern::offsets(0, 100, 1000, 10000);
        case 5:
            return port_pattern(pick(chance, 40));
        case 6:
            return port_pattern(once_in(chance, 4) ? 400 : 2);
        default:
            return port_pattern(pick(chance, 4));
        }
    }();
    return pattern.from_multiple_of(divisor);
}

std::string describe(const find_options& options)
{
    std::string text = "find_unused_port() on";
    for (const asio::ip::address& one : options.addresses)
        text += ' ' + one.to_string();
    text += ", transports " + std::to_string(unsigned(options.transports)) +
            ", families " + std::to_string(unsigned(options.families)) + ", back end " +
            std::string(to_string(options.backend));
    if (options.ports)
        text += ", ports " + to_string(*options.ports);
    return text;
}

} // namespace berth::soak
