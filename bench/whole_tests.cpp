// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "whole_tests.hpp"

#include "kit/coroutines.hpp"
#include "ways/original.hpp"

#include <berth/berth.hpp>

#include <asio/buffer.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace bench {

namespace {

using asio::ip::tcp;

// What a test uses, and what keeps its number if anything does.
struct server_socket {
    tcp::acceptor acceptor;
    berth::port_lease lease;
};

using make_server = asio::awaitable<server_socket> (*)();

asio::awaitable<server_socket> by_berth()
{
    tcp::acceptor acceptor = co_await berth::co_bind_ephemeral();
    co_return server_socket{std::move(acceptor), {}};
}

tcp::acceptor serve_on(const asio::any_io_executor& executor, std::uint16_t port)
{
    return {executor, {asio::ip::address_v4::loopback(), port}};
}

asio::awaitable<server_socket> by_lease()
{
    const auto executor = co_await asio::this_coro::executor;
    berth::port_lease lease = co_await berth::co_find_unused_port();
    const std::uint16_t port = lease.port();
    co_return server_socket{serve_on(executor, port), std::move(lease)};
}

asio::awaitable<server_socket> by_original()
{
    const auto executor = co_await asio::this_coro::executor;
    const std::uint16_t port = bind_originally(goods::number).port;
    co_return server_socket{serve_on(executor, port), {}};
}

asio::awaitable<server_socket> by_asio()
{
    const auto executor = co_await asio::this_coro::executor;
    co_return server_socket{serve_on(executor, 0), {}};
}

asio::awaitable<void> answer_one(tcp::acceptor& acceptor)
{
    tcp::socket connection = co_await acceptor.async_accept(asio::use_awaitable);
    std::array<char, 16> text;
    co_await asio::async_read(connection, asio::buffer(text), asio::use_awaitable);
    co_await asio::async_write(connection, asio::buffer(text), asio::use_awaitable);
}

asio::awaitable<void> ask_once(tcp::endpoint server)
{
    tcp::socket connection(co_await asio::this_coro::executor);
    co_await connection.async_connect(server, asio::use_awaitable);
    std::array<char, 16> text = {"does it answer?"};
    co_await asio::async_write(connection, asio::buffer(text), asio::use_awaitable);
    co_await asio::async_read(connection, asio::buffer(text), asio::use_awaitable);
    // Thousands of tests in a second would fill the range with connections in TIME_WAIT.
    connection.set_option(asio::socket_base::linger(true, 0));
    connection.close(); // the destructor would linger after all
}

asio::awaitable<void> run_tests(make_server make, std::size_t tests)
{
    using namespace asio::experimental::awaitable_operators;
    for (; tests > 0; --tests) {
        server_socket server = co_await make();
        co_await (answer_one(server.acceptor) &&
                  ask_once(server.acceptor.local_endpoint()));
    }
}

// Shares the tests, and the places in flight, equally among the makers.
way test_way(const std::string& name, const std::vector<make_server>& makers)
{
    return {name, [makers](const task& its) {
                asio::io_context context;
                const auto share = static_cast<unsigned>(makers.size());
                for (const make_server make : makers)
                    spawn_all(
                        context, its.operations / share,
                        std::max(its.in_flight / share, 1U),
                        [make](std::size_t tests) { return run_tests(make, tests); });
                context.run();
            }};
}

} // namespace

std::vector<way> whole_tests()
{
    return {test_way("berth, bound", {by_berth}), test_way("Asio, bound", {by_asio}),
            test_way("berth, number", {by_lease}),
            test_way("original, number", {by_original})};
}

std::vector<way> main_job()
{
    return {test_way("berth", {by_berth, by_lease}),
            test_way("original", {by_asio, by_original})};
}

} // namespace bench
