// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "agent.hpp"

#include "checks.hpp"

#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <string>

namespace berth::soak {

using asio::awaitable;
using asio::use_awaitable;

std::span<const agent::action> agent::actions()
{
    // All the others live on what is found.
    static constexpr std::array all = std::to_array<action>({
        {"find_unused_port", &agent::find, 15},
        {"find_unused_ports", &agent::find_several, 3},
        {"bind_ephemeral", &agent::bind, 6},
        {"own sockets", &agent::bind_own, 3},
        {"black holes", &agent::make_black_hole, 2},
        {"listen", &agent::listen, 6, true},
        {"open/seal", &agent::change_mode, 6, true},
        {"give back", &agent::give_back, 9},
        {"looks", &agent::look, 3, true},
        {"visits", &agent::visit, 3, true},
        {"forks", &agent::fork_child, 2},
        {"faulty options", &agent::ask_wrongly, 2},
        {"rests", &agent::rest, 3},
    });
    static_assert(all.size() <= ledger::max_actions);
    return all;
}

// Returns the index of an action.
std::size_t agent::choose()
{
    constexpr std::size_t most = 8; // that all together hold about what there is
    const auto all = actions();
    if (leases_.size() + sockets_.size() > most || shared_sockets_.size() > 2) {
        const auto one = std::ranges::find(all, &agent::give_back, &action::run);
        return std::size_t(one - all.begin());
    }
    unsigned total = 0;
    for (const action& one : all)
        total += one.weight;
    std::size_t chosen = 0;
    for (unsigned left = pick(chance_, total); left >= all[chosen].weight; ++chosen)
        left -= all[chosen].weight;
    return chosen;
}

awaitable<void> agent::run()
{
    auto& process = shared->processes[my_slot];
    while (!over()) {
        const std::size_t chosen = choose();
        const action& what = actions()[chosen];
        ++process.progress;
        if (what.needs_lease && leases_.empty())
            continue;
        process.doing[number_] = static_cast<std::uint8_t>(1 + chosen);
        ++shared->ran[chosen];
        try {
            co_await (this->*what.run)();
        } catch (const std::exception& e) {
            shared->fail(std::string("in ") + what.name + ": " + e.what());
        }
        process.doing[number_] = 0;
    }
}

awaitable<void> agent::rest()
{
    asio::steady_timer timer(ex_, std::chrono::microseconds(pick(chance_, 5000)));
    co_await timer.async_wait(use_awaitable);
}

void agent::take(port_lease lease, const find_options& options, std::uint64_t asked)
{
    check_number(lease.port(), options.ports, options.preferred, options.browser_safe);
    record noted = note(lease, options, asked);
    leases_.emplace_back(std::move(lease), std::move(noted), first_cells_of(options));
}

// A plain bind to what is held must be refused.
void agent::check_still_held(const held_lease& one)
{
    const bool is_udp = (one.noted.where() & tcp_cells) == 0;
    const auto where =
        static_cast<cells>(is_udp ? one.noted.where() >> 3U : one.noted.where());
    const asio::ip::address address =
        (where & 0b001) != 0   ? asio::ip::address(asio::ip::address_v4::loopback())
        : (where & 0b010) != 0 ? asio::ip::make_address("127.0.0.2")
                               : asio::ip::address_v6::loopback();
    expect(!bind_foreign(address, one.noted.port(), is_udp, {}),
           "port " + std::to_string(one.noted.port()) + " is held");
}

} // namespace berth::soak
