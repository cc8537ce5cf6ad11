// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// A server on a port of its own: no number is asked for, guessed or retried, and the port
// is yours from the first instant.

#include <berth/berth.hpp>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <array>
#include <exception>
#include <iostream>
#include <string>

using asio::ip::tcp;

asio::awaitable<void> echo_once(tcp::acceptor acceptor)
{
    tcp::socket peer = co_await acceptor.async_accept(asio::use_awaitable);
    std::array<char, 64> words = {};
    const std::size_t size =
        co_await peer.async_read_some(asio::buffer(words), asio::use_awaitable);
    co_await asio::async_write(peer, asio::buffer(words, size), asio::use_awaitable);
}

asio::awaitable<bool> run()
{
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor acceptor = co_await berth::co_bind_ephemeral();
    const tcp::endpoint endpoint = acceptor.local_endpoint();
    std::cout << "listening on " << endpoint << '\n';
    asio::co_spawn(executor, echo_once(std::move(acceptor)), asio::detached);

    const std::string said = "permission to come alongside";
    std::string heard(said.size(), ' ');
    tcp::socket client(executor);
    co_await client.async_connect(endpoint, asio::use_awaitable);
    co_await asio::async_write(client, asio::buffer(said), asio::use_awaitable);
    co_await asio::async_read(client, asio::buffer(heard), asio::use_awaitable);
    std::cout << "the server answered: " << heard << '\n';
    co_return heard == said;
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
