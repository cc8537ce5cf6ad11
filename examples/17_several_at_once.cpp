// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <exception>
#include <iostream>
#include <vector>

// Several numbers at once: all of them or none, each with a lease of its own.

using berth::port_lease;
using berth::port_pattern;

asio::awaitable<void> run()
{
    // Any three, for the three members of a cluster.
    const std::vector<port_lease> members = co_await berth::co_find_unused_ports(3);
    for (const port_lease& member : members)
        std::cout << "a member on port " << member.port() << '\n';

    // Four in a row, for a program that is told the first and counts on.
    const auto row = co_await berth::co_find_unused_ports(port_pattern::block(4));
    std::cout << "ports " << row.front().port() << " to " << row.back().port() << '\n';

    // Redis Cluster has its bus 10000 above the port of its clients.
    const auto redis =
        co_await berth::co_find_unused_ports(port_pattern::offsets(0, 10000));
    std::cout << "clients on " << redis[0].port() << ", the bus on " << redis[1].port()
              << '\n';

    // RTP has an even number on UDP, RTCP the next one (RFC 3550, section 11).
    const auto media = co_await berth::co_find_unused_ports(
        port_pattern::offsets(0, 1).from_multiple_of(2),
        {.transports = berth::transports::udp});
    std::cout << "RTP on " << media[0].port() << ", RTCP on " << media[1].port() << '\n';

    if (row.back().port() != row.front().port() + 3 ||
        redis[1].port() != redis[0].port() + 10000 || media[0].port() % 2 != 0 ||
        media[1].port() != media[0].port() + 1)
        throw std::runtime_error("not what was asked for");
}

int main()
{
    try {
        asio::io_context context;
        asio::co_spawn(context, run(), [](std::exception_ptr failure) {
            if (failure)
                std::rethrow_exception(failure);
        });
        context.run();
        return 0;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
