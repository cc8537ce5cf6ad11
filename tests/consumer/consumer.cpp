// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <exception>
#include <iostream>

asio::awaitable<void> test()
{
    // A listening acceptor on 127.0.0.1: the port is yours from the first instant.
    asio::ip::tcp::acceptor acceptor = co_await berth::co_bind_ephemeral();
    std::cout << "listening on " << acceptor.local_endpoint() << '\n';

    // A number for a server that is not yours. The kernel keeps it while the lease lives.
    berth::port_lease lease = co_await berth::co_find_unused_port();
    std::cout << "start the server on port " << lease.port() << '\n';
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, test(), [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    });
    context.run();
}
