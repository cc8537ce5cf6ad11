// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/berth.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>

#include <exception>
#include <iostream>

// One number in several transports and families: all of them or none.

int main()
{
    try {
        asio::io_context context;

        // A server for HTTP/3 listens on TCP and UDP, a resolver for DNS does so too. The number is
        // held in both, for IPv4 and IPv6.
        berth::port_lease lease =
            berth::find_unused_port({.transports = berth::transports::both});
        std::cout << "port " << lease.port() << " is held on TCP and UDP\n";

        // The holder of TCP becomes the acceptor; that of UDP stays with the lease until the server
        // has a socket of its own.
        const asio::ip::tcp::acceptor acceptor =
            std::move(lease).listen(context.get_executor());
        asio::ip::udp::socket socket(context, asio::ip::udp::v4());
        const asio::ip::udp::endpoint here(asio::ip::address_v4::loopback(),
                                           acceptor.local_endpoint().port());
        if (lease.mode() == berth::lease_mode::open)
            socket.set_option(asio::socket_base::reuse_address(true));
        else
            lease.release(); // on Windows, where no two sockets share an address
        socket.bind(here);
        std::cout << "a server has it: " << acceptor.local_endpoint() << " and "
                  << socket.local_endpoint() << '\n';

        // Only where a test wants it: one family, or the very addresses.
        const berth::port_lease old =
            berth::find_unused_port({.families = berth::families::v4});
        const berth::port_lease local =
            berth::find_unused_port({.addresses = asio::ip::address_v4::loopback(),
                                     .transports = berth::transports::udp});
        std::cout << "port " << old.port() << " is held on IPv4, port " << local.port()
                  << " on UDP at 127.0.0.1\n";
        return 0;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
