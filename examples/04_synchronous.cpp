// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// No event loop: the synchronous forms, for a plain main() or another framework's
// fixture. Each throws, or puts the error into the error_code that it is given.

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <iostream>

int main()
{
    // Which way the sockets are opened, and why not the others.
    for (const auto& [which, available, reason] : berth::available_backends())
        std::cout << to_string(which) << ": " << (available ? "available" : reason)
                  << '\n';

    try {
        const berth::port_lease lease = berth::find_unused_port();
        std::cout << "port " << lease.port() << " is held\n";

        // The context need not run. An acceptor wants one to belong to.
        asio::io_context context;
        const auto acceptor = berth::bind_ephemeral(context.get_executor());
        const auto socket = berth::bind_ephemeral<asio::ip::udp>(context.get_executor());
        std::cout << "TCP on " << acceptor.local_endpoint() << ", UDP on "
                  << socket.local_endpoint() << '\n';
    } catch (const std::system_error& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }

    // A range of one port which is taken already.
    std::error_code ec;
    const berth::port_lease held = berth::find_unused_port({}, ec);
    if (ec) {
        std::cerr << ec.message() << '\n';
        return 1;
    }
    const berth::find_options narrow = {
        .ports = berth::port_range{.first = held.port(), .last = held.port()}};
    const berth::port_lease none = berth::find_unused_port(narrow, ec);
    std::cout << "once more port " << held.port() << ": " << ec.message() << '\n';
    return ec && !none ? 0 : 1;
}
