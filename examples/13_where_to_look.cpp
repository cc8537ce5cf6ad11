// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// Which ports: several ranges, all but some, outside of what the system gives to clients, none that
// a browser refuses, one number rather than another. Without `ports` a whole run can be moved from
// outside: BERTH_PORT_RANGE=20000-29999,31000.

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <exception>
#include <iostream>

using berth::port_range;
using berth::port_set;

// The usual number where it is free, and another one where the server runs already.
asio::awaitable<bool> one_rather_than_another(const port_set& ours)
{
    const auto lease = co_await berth::co_find_unused_port({.ports = ours});
    std::cout << lease.port() << " is one of " << to_string(ours) << '\n';
    const auto again =
        co_await berth::co_find_unused_port({.ports = ours, .preferred = lease.port()});
    std::cout << lease.port() << " was preferred, " << again.port() << " was free\n";
    co_return ours.contains(lease.port()) && !ours.contains(20080) &&
        ours.contains(again.port()) && again.port() != lease.port();
}

// A number that no client on this host is given as its source port, for a server that will be
// down for a while. Where the ephemeral range takes everything there is none.
asio::awaitable<bool> outside_of_the_ephemeral(const port_set& ours)
{
    port_set quiet = port_set::outside_ephemeral();
    if (quiet.empty())
        quiet = ours;
    const auto server = co_await berth::co_find_unused_port({.ports = quiet});
    std::cout << server.port() << " is one of " << to_string(quiet) << '\n';
    co_return quiet.contains(server.port());
}

// A page that is looked at in a browser: 6000, 6665-6669 and some others are refused there.
asio::awaitable<bool> for_browsers()
{
    const auto page = co_await berth::co_bind_ephemeral(
        {.ports = port_range{6000, 6999}, .browser_safe = true});
    std::cout << "http://" << page.local_endpoint() << " can be opened in a browser\n";
    const port_set blocked = port_range{6665, 6669} | port_range{6000, 6000};
    co_return !blocked.contains(page.local_endpoint().port());
}

asio::awaitable<bool> run()
{
    // What the firewall lets through, but for the ports of the neighbours.
    const port_set open = port_range{20000, 24999} | port_range{26000, 29999};
    const port_set ours = open - port_range{20080, 20089};
    if (!co_await one_rather_than_another(ours))
        co_return false;
    if (!co_await outside_of_the_ephemeral(ours))
        co_return false;
    co_return co_await for_browsers();
}

int main()
{
    try {
        asio::io_context context;
        auto succeeded = asio::co_spawn(context, run(), asio::use_future);
        context.run();
        return succeeded.get() ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
