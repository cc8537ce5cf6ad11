// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// A black hole, for the test of what a client does when nobody answers: a connection to it is
// neither accepted nor refused, so that only the client's own timeout ends it.

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <exception>
#include <iostream>

using namespace asio::experimental::awaitable_operators;
using asio::ip::tcp;

// The client under test: gives up an address that does not answer in time, and tries the second.
asio::awaitable<tcp::socket> connect_to_either(tcp::endpoint first, tcp::endpoint second)
{
    tcp::socket socket(co_await asio::this_coro::executor);
    asio::steady_timer timeout(socket.get_executor(), std::chrono::milliseconds(200));
    const auto came_first = co_await (socket.async_connect(first, asio::use_awaitable) ||
                                      timeout.async_wait(asio::use_awaitable));
    if (came_first.index() == 1) {
        std::cout << first << ": no answer\n";
        socket.close();
        co_await socket.async_connect(second, asio::use_awaitable);
    }
    co_return socket;
}

asio::awaitable<bool> run()
{
    const berth::black_hole silent = co_await berth::co_bind_black_hole();
    const tcp::acceptor alive = co_await berth::co_bind_ephemeral();

    const tcp::socket client =
        co_await connect_to_either(silent.endpoint(), alive.local_endpoint());
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
