// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// Your own socket, with your own options: what CPython's bind_port(sock, host) does.
// Options that would let another socket share the port of a TCP server are refused, as
// there.

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <exception>
#include <iostream>

using asio::ip::tcp;
using asio::ip::udp;

asio::awaitable<bool> run()
{
    const auto executor = co_await asio::this_coro::executor;
    const auto loopback = asio::ip::address_v4::loopback();

    udp::socket datagrams(executor, udp::v4());
    datagrams.set_option(udp::socket::receive_buffer_size(64 * 1024));
    const std::uint16_t port = co_await berth::co_bind_ephemeral(datagrams, loopback);
    std::cout << "a UDP socket on port " << port << '\n';

    // Asio's constructor with an endpoint would set SO_REUSEADDR of its own accord:
    // open() does not. An acceptor of one's own does not listen yet.
    tcp::acceptor acceptor(executor, tcp::v4());
    co_await berth::co_bind_ephemeral(acceptor, loopback);
    acceptor.listen();
    std::cout << "a TCP acceptor on port " << acceptor.local_endpoint().port() << '\n';

    tcp::acceptor reusable(executor, tcp::v4());
    reusable.set_option(tcp::acceptor::reuse_address(true));
    try {
        co_await berth::co_bind_ephemeral(reusable, loopback);
    } catch (const std::system_error& e) {
        std::cout << "refused: " << e.what() << '\n';
        co_return port != 0 && e.code() == berth::error::reuse_address_set;
    }
    co_return false;
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
