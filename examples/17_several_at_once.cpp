// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <exception>
#include <iostream>
#include <stdexcept>
#include <vector>

// Several numbers at once: all of them or none, each with a lease of its own.

using berth::port_lease;
using berth::port_pattern;

void expect(bool so)
{
    if (!so)
        throw std::runtime_error("not what was asked for");
}

// Any three, for the three members of a cluster.
asio::awaitable<void> cluster()
{
    const std::vector<port_lease> members = co_await berth::co_find_unused_ports(3);
    for (const port_lease& member : members)
        std::cout << "a member on port " << member.port() << '\n';
    expect(members.size() == 3);
}

// Four in a row, for a program that is told the first and counts on.
asio::awaitable<void> row()
{
    const auto all = co_await berth::co_find_unused_ports(port_pattern::block(4));
    std::cout << "ports " << all.front().port() << " to " << all.back().port() << '\n';
    expect(all.back().port() == all.front().port() + 3);
}

// Redis Cluster has its bus 10000 above the port of its clients.
asio::awaitable<void> redis()
{
    const auto both =
        co_await berth::co_find_unused_ports(port_pattern::offsets(0, 10000));
    std::cout << "clients on " << both[0].port() << ", the bus on " << both[1].port()
              << '\n';
    expect(both[1].port() == both[0].port() + 10000);
}

// RTP has an even number on UDP, RTCP the next one (RFC 3550, section 11).
asio::awaitable<void> media()
{
    const auto pair = co_await berth::co_find_unused_ports(
        port_pattern::offsets(0, 1).from_multiple_of(2),
        {.transports = berth::transports::udp});
    std::cout << "RTP on " << pair[0].port() << ", RTCP on " << pair[1].port() << '\n';
    expect(pair[0].port() % 2 == 0 && pair[1].port() == pair[0].port() + 1);
}

int main()
{
    try {
        asio::io_context context;
        const auto check = [](std::exception_ptr failure) {
            if (failure)
                std::rethrow_exception(failure);
        };
        asio::co_spawn(context, cluster(), check);
        asio::co_spawn(context, row(), check);
        asio::co_spawn(context, redis(), check);
        asio::co_spawn(context, media(), check);
        context.run();
        return 0;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
