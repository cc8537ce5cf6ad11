// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "agent.hpp"
#include "any_options.hpp"
#include "checks.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

// Leases: found, waited for, cancelled, and asked for wrongly.

namespace berth::soak {

using asio::awaitable;
using asio::use_awaitable;

// Writes down and keeps what was found.
void agent::take(port_lease lease, const find_options& options, std::uint64_t asked)
{
    check_number(lease.port(), options.ports, options.preferred, options.browser_safe);
    record noted = note(lease, options, asked);
    leases_.emplace_back(std::move(lease), std::move(noted), first_cells_of(options));
}

awaitable<void> agent::find()
{
    const find_options options = any_find_options(chance_);
    count_wait(options);
    const unsigned way = pick(chance_, 4);
    if (way == 0) {
        co_await find_and_cancel(options);
        co_return;
    }
    const std::uint64_t asked = shared->now();
    std::optional<port_lease> lease;
    std::error_code ec;
    try {
        if (way == 1)
            lease = find_unused_port(options, ec);
        else if (way == 2)
            lease = co_await answer_or_cancel(co_find_unused_port(options));
        else
            lease = co_await co_find_unused_port(options);
    } catch (const std::system_error& e) {
        ec = e.code();
    }
    check_request(ec, options, false, describe(options));
    if (lease && !ec)
        take(std::move(*lease), options, asked);
}

// Asks with a handler and a slot; the signal comes after a random number of turns, or never.
awaitable<void> agent::find_and_cancel(find_options options)
{
    struct state {
        asio::cancellation_signal signal;
        asio::steady_timer done;
        bool answered = false;
        std::error_code ec;
        std::optional<held_lease> got;
        explicit state(const asio::any_io_executor& ex)
            : done(ex, asio::steady_timer::time_point::max())
        {}
    };
    const auto mine = std::make_shared<state>(ex_);
    const bool drop_there = once_in(chance_, 3);
    const std::uint64_t asked = shared->now();
    async_find_unused_port(
        ex_, options,
        asio::bind_cancellation_slot(
            mine->signal.slot(),
            [mine, options, drop_there, asked](std::error_code ec, port_lease lease) {
                mine->ec = ec;
                if (!ec) {
                    record noted = note(lease, options, asked);
                    if (drop_there)
                        noted.erase(); // and the lease ends inside the handler
                    else
                        mine->got.emplace(std::move(lease), std::move(noted),
                                          first_cells_of(options));
                }
                mine->answered = true;
                mine->done.cancel();
            }));
    if (!once_in(chance_, 4)) {
        for (unsigned turns = pick(chance_, 4); turns > 0; --turns)
            co_await asio::post(ex_, use_awaitable);
        static constexpr std::array types = {asio::cancellation_type::terminal,
                                             asio::cancellation_type::partial,
                                             asio::cancellation_type::total};
        mine->signal.emit(types[pick(chance_, unsigned(types.size()))]);
    }
    while (!mine->answered) {
        std::error_code ignored;
        co_await mine->done.async_wait(asio::redirect_error(use_awaitable, ignored));
    }
    shared->count(mine->ec == asio::error::operation_aborted
                      ? counter::cancellations
                      : counter::late_cancellations);
    check_request(mine->ec, options, mine->ec == asio::error::operation_aborted,
                  describe(options));
    if (mine->got)
        leases_.push_back(std::move(*mine->got));
}

void agent::take(std::vector<port_lease> leases, const port_pattern& pattern,
                 const find_options& options, std::uint64_t asked)
{
    expect(leases.size() == pattern.size(), "there are as many leases as asked for");
    if (leases.empty())
        return;
    const bool rigid = pattern.is_block() || pattern.has_offsets();
    const int first = leases.front().port() - (rigid ? pattern.offset(0) : 0);
    expect(first % pattern.divisor() == 0,
           "the first port is a multiple: " + std::to_string(first));
    std::vector<held_lease> all;
    for (std::size_t i = 0; i < leases.size(); ++i) {
        const std::uint16_t port = leases[i].port();
        expect(!rigid || port == first + pattern.offset(i),
               "port " + std::to_string(port) + " fits the pattern from " +
                   std::to_string(first));
        // A preferred port need not be in the set, and takes the pattern with it.
        check_number(port, options.preferred ? port_set(all_ports) : options.ports, {},
                     options.browser_safe);
        record noted = note(leases[i], options, asked);
        all.emplace_back(std::move(leases[i]), std::move(noted), first_cells_of(options));
    }
    // A few are kept; the others go in a random order.
    while (all.size() > 3)
        (void)remove(all);
    for (held_lease& one : all)
        leases_.push_back(std::move(one));
}

awaitable<void> agent::find_several()
{
    const find_options options = any_find_options(chance_);
    const port_pattern pattern = any_pattern(chance_);
    count_wait(options);
    const std::uint64_t asked = shared->now();
    std::optional<std::vector<port_lease>> leases;
    std::error_code ec;
    try {
        if (once_in(chance_, 2))
            leases = find_unused_ports(pattern, options);
        else if (once_in(chance_, 2))
            leases = co_await answer_or_cancel(co_find_unused_ports(pattern, options));
        else
            leases = co_await co_find_unused_ports(pattern, options);
    } catch (const std::system_error& e) {
        ec = e.code();
    }
    // Of a small set browser_safe or the divisor may leave nothing.
    check_request(ec, options,
                  ec == error::ports_exhausted || ec == error::pattern_too_wide ||
                      ec == error::no_ports,
                  "find_unused_ports()");
    if (leases)
        take(std::move(*leases), pattern, options, asked);
}

awaitable<void> agent::ask_wrongly()
{
    find_options none = any_find_options(chance_);
    error expected = error::no_ports;
    switch (pick(chance_, 6)) {
    case 0:
        none.ports = port_set();
        break;
    case 1:
        none.ports = port_range{7000, 6000};
        expected = error::invalid_range;
        break;
    case 2:
        none.preferred = std::uint16_t(0);
        expected = error::invalid_preferred;
        break;
    case 3:
        none.transports = transports(0);
        expected = error::invalid_transports;
        break;
    case 4:
        none.addresses = asio::ip::address_v4::loopback();
        none.families = families::v6;
        expected = error::invalid_families;
        break;
    default:
        none.ports = port_range{6665, 6669};
        none.browser_safe = true;
    }
    std::error_code ec;
    if (once_in(chance_, 2)) {
        (void)find_unused_port(none, ec);
    } else {
        try {
            (void)co_await co_find_unused_port(none);
        } catch (const std::system_error& e) {
            ec = e.code();
        }
    }
    expect(ec == expected, "faulty options are an error: " + ec.message());
}

} // namespace berth::soak
