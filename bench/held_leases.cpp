// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "held_leases.hpp"

#include "kit/coroutines.hpp"
#include "kit/measure.hpp"
#include "kit/network.hpp"
#include "ways/original.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <fstream>

namespace bench {

namespace {

constexpr std::size_t in_flight = 64;
constexpr std::size_t further_allocations = 128;

// What this process has written since the fork. The kernel walks the pages for it; statm is
// only right to some 64 of them.
double private_bytes()
{
    std::ifstream file("/proc/self/smaps_rollup");
    std::string word;
    while (file >> word && word != "Private_Dirty:") {
    }
    double kib = 0;
    file >> kib;
    return kib * 1024;
}

double microseconds_each(std::size_t count, const std::function<void()>& action)
{
    const std::uint64_t start = now();
    action();
    return static_cast<double>(now() - start) * 1e-3 / static_cast<double>(count);
}

asio::awaitable<void> take_some(std::vector<berth::port_lease>& into, std::size_t count,
                                berth::backend through)
{
    for (; count > 0; --count)
        into.push_back(co_await berth::co_find_unused_port({.backend = through}));
}

void take(std::vector<berth::port_lease>& into, std::size_t count, berth::backend through)
{
    asio::io_context context;
    spawn_all(context, count, in_flight,
              [&](std::size_t share) { return take_some(into, share, through); });
    context.run();
}

template <class Held>
holding
measure_holding(std::size_t count, const way& another,
                const std::function<void(std::vector<Held>&, std::size_t)>& take_more)
{
    const task further = {.operations = further_allocations, .in_flight = in_flight};
    holding its;
    std::vector<Held> held;
    const double before = private_bytes();
    take_more(held, 1); // what is made once takes its time once
    its.take = microseconds_each(count, [&] { take_more(held, count); });
    its.bytes = private_bytes() - before;

    another.run(further);
    std::vector<double> rounds;
    while (rounds.size() < 5)
        rounds.push_back(measure(another, further).wall);
    its.more = median(rounds);
    its.drop = microseconds_each(count, [&] { held.resize(1); });
    return its;
}

} // namespace

std::string to_string(holder with)
{
    switch (with) {
    case holder::berth:
        return "berth";
    case holder::berth_by_calls:
        return "berth, system calls";
    case holder::original:
        return "original, kept open";
    }
    return {};
}

holding hold_ports(holder with, std::size_t count)
{
    const auto answer = in_own_process([&]() -> nlohmann::json {
        enter_private_network();
        need_descriptors(count + 64);
        holding its;
        if (with == holder::original) {
            its = measure_holding<open_socket>(
                count, original_way(goods::number),
                [](std::vector<open_socket>& into, std::size_t more) {
                    while (more-- > 0)
                        into.push_back(bind_originally(goods::number).socket);
                });
        } else {
            const auto through = with == holder::berth ? berth::backend::automatic
                                                       : berth::backend::syscalls;
            its = measure_holding<berth::port_lease>(
                count, berth_way(goods::number, through),
                [through](std::vector<berth::port_lease>& into, std::size_t more) {
                    take(into, more, through);
                });
        }
        return {its.take, its.more, its.drop, its.bytes};
    });
    return {answer.at(0), answer.at(1), answer.at(2), answer.at(3)};
}

} // namespace bench
