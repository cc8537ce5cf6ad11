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
    // The others need what is found.
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
    constexpr std::size_t most = 8; // so all agents together hold about what there is
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

// Fails the soak unless a plain bind is refused what is held.
void agent::check_still_held(const held_lease& one)
{
    const cells tcp = one.noted.where() & tcp_cells;
    const bool is_udp = tcp == 0;
    const auto address = any_address_in(chance_, is_udp ? one.noted.where() : tcp);
    expect(!bind_foreign(address, one.noted.port(), is_udp, {}),
           "port " + std::to_string(one.noted.port()) + " is held");
}

} // namespace berth::soak
