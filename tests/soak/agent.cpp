// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "agent.hpp"

#include "checks.hpp"

#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <array>
#include <chrono>
#include <exception>

namespace berth::soak {

using asio::awaitable;
using asio::use_awaitable;

enum class deed : std::uint8_t {
    nothing,
    find,
    find_several,
    bind,
    bind_own,
    make_black_hole,
    listen,
    change_mode,
    give_back,
    look,
    fork_child,
    ask_wrongly,
    visit,
    rest,
    count_,
};

namespace {

constexpr std::array deed_names = {
    "nothing",    "find",        "find_several", "bind",      "bind_own",
    "black_hole", "listen",      "change_mode",  "give_back", "look",
    "fork_child", "ask_wrongly", "visit",        "rest",
};
static_assert(deed_names.size() == std::size_t(deed::count_));

} // namespace

const char* name_of_deed(unsigned number)
{
    return number < deed_names.size() ? deed_names[number] : "?";
}

awaitable<void> agent::run()
{
    // Finding is what all the others live on.
    static constexpr std::array often = {
        deed::find,         deed::find,      deed::find,      deed::find,
        deed::find,         deed::bind,      deed::bind,      deed::bind_own,
        deed::find_several, deed::listen,    deed::listen,    deed::change_mode,
        deed::change_mode,  deed::give_back, deed::give_back, deed::give_back,
        deed::look,         deed::visit,     deed::rest,
    };
    static constexpr std::array seldom = {deed::make_black_hole, deed::fork_child,
                                          deed::ask_wrongly};
    while (!over()) {
        const deed what = once_in(chance_, 10)
                              ? seldom[pick(chance_, unsigned(seldom.size()))]
                              : often[pick(chance_, unsigned(often.size()))];
        auto& doing = shared->processes[my_slot].doing[number_];
        doing = static_cast<std::uint8_t>(what);
        ++shared->processes[my_slot].progress;
        try {
            co_await act(what);
        } catch (const std::exception& e) {
            shared->fail(std::string("in ") + name_of_deed(unsigned(what)) + ": " +
                         e.what());
        }
        doing = 0;
    }
}

awaitable<void> agent::act(deed what)
{
    constexpr std::size_t most = 8; // that all together hold about what there is
    if (leases_.size() + sockets_.size() > most || shared_sockets_.size() > 2)
        what = deed::give_back;
    switch (what) {
    case deed::find:
        return find();
    case deed::find_several:
        return find_several();
    case deed::bind:
        return bind();
    case deed::bind_own:
        return bind_own();
    case deed::make_black_hole:
        return make_black_hole();
    case deed::listen:
        return listen();
    case deed::change_mode:
        return change_mode();
    case deed::give_back:
        return give_back();
    case deed::look:
        return look();
    case deed::fork_child:
        return fork_child();
    case deed::ask_wrongly:
        return ask_wrongly();
    case deed::visit:
        return visit();
    default:
        return pause(std::chrono::microseconds(pick(chance_, 5000)));
    }
}

awaitable<void> agent::pause(std::chrono::steady_clock::duration how_long)
{
    asio::steady_timer timer(ex_, how_long);
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
