// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// The life of a lease: sealed, nobody may bind its port; open, a server with SO_REUSEADDR
// may; released, anybody may; and the holder itself can become the listening socket.

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <exception>
#include <iostream>

using asio::ip::tcp;

// Somebody else's server: binds a number that it was told.
std::error_code start(tcp::acceptor& server, std::uint16_t port, bool reuse)
{
    std::error_code ec;
    server.close(ec);
    server.open(tcp::v4());
    server.set_option(tcp::acceptor::reuse_address(reuse));
    server.bind({asio::ip::address_v4::loopback(), port}, ec);
    if (!ec)
        server.listen(tcp::acceptor::max_listen_connections, ec);
    std::cout << "port " << port << ", a server " << (reuse ? "with" : "without")
              << " SO_REUSEADDR: " << ec.message() << '\n';
    return ec;
}

bool seal_and_open(tcp::acceptor& server)
{
    const berth::find_options sealed = {.mode = berth::lease_mode::sealed};
    berth::port_lease lease = berth::find_unused_port(sealed);
    const bool refused = !!start(server, lease.port(), true);
    lease.open();
    return refused && !start(server, lease.port(), true);
}

bool release(tcp::acceptor& server)
{
    // Between release() and the server's bind() the port is anybody's. That is short, but
    // it is a gap, and so the one case in which to try again.
    for (int attempt = 0; attempt < 3; ++attempt) {
        berth::port_lease lease = berth::find_unused_port();
        if (!start(server, lease.port(), false))
            return false; // the lease was to keep it out
        if (!start(server, lease.release(), false))
            return true;
    }
    return false;
}

bool listen(const asio::io_context::executor_type& executor)
{
    // For a server that can be given a socket after all: there is no gap.
    berth::port_lease lease = berth::find_unused_port();
    const std::uint16_t port = lease.port();
    const tcp::acceptor acceptor = std::move(lease).listen(executor);
    std::cout << "the holder of port " << port << " listens on "
              << acceptor.local_endpoint() << '\n';
    return acceptor.local_endpoint().port() == port;
}

int main()
{
    try {
        asio::io_context context;
        tcp::acceptor server(context);
        const bool succeeded =
            seal_and_open(server) && release(server) && listen(context.get_executor());
        return succeeded ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
