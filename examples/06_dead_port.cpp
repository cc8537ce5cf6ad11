// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// A dead port, for the test of what a client does when nobody is at home: it is taken but
// never listens, so every connection is refused, today and on a busy machine.

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_future.hpp>

#include <exception>
#include <iostream>

using asio::ip::tcp;

// The client under test: falls back to the second address where the first refuses.
asio::awaitable<tcp::socket> connect_to_either(tcp::endpoint first, tcp::endpoint second)
{
    tcp::socket socket(co_await asio::this_coro::executor);
    std::error_code ec;
    co_await socket.async_connect(first, asio::redirect_error(asio::use_awaitable, ec));
    std::cout << first << ": " << ec.message() << '\n';
    if (ec == asio::error::connection_refused) {
        socket.close();
        co_await socket.async_connect(second, asio::use_awaitable);
    }
    co_return socket;
}

asio::awaitable<bool> run()
{
    const berth::bind_options silent = {.listen = false};
    const tcp::acceptor dead = co_await berth::co_bind_ephemeral(silent);
    const tcp::acceptor alive = co_await berth::co_bind_ephemeral();

    const tcp::socket client =
        co_await connect_to_either(dead.local_endpoint(), alive.local_endpoint());
    std::cout << client.remote_endpoint() << ": connected\n";
    co_return client.remote_endpoint() == alive.local_endpoint();
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
