// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// Whole tests, many at once: a server on an allocated port, a client, one exchange, teardown.

#include "kit/coroutines.hpp"
#include "kit/measure.hpp"
#include "kit/network.hpp"
#include "kit/program.hpp"
#include "ways/original.hpp"

#include <berth/berth.hpp>

#include <asio/buffer.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace {

using namespace bench;
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

// The berth ways first, each followed by what it replaces.
const std::vector<std::pair<std::string, make_server>> makers = {
    {"berth, bound", by_berth},
    {"Asio, bound", by_asio},
    {"berth, number", by_lease},
    {"original, number", by_original},
};

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

way test_way(const std::string& name, make_server make)
{
    return {name, [make](const task& its) {
                asio::io_context context;
                spawn_all(context, its.operations, its.in_flight,
                          [make](std::size_t share) { return run_tests(make, share); });
                context.run();
            }};
}

nlohmann::json measure_at(unsigned percent, unsigned at_once, bool smoke)
{
    enter_private_network();
    need_descriptors(std::size_t{at_once} * 8 + 64);
    const crowd others(percent, spread::by_bind);
    std::vector<way> ways;
    for (const auto& [name, make] : makers)
        ways.push_back(test_way(name, make));
    const std::size_t tests = percent == 0 ? 4096U : std::max(at_once, 128U);
    const auto found = alternate(
        contenders(ways, {.operations = smoke ? at_once : tests, .in_flight = at_once}),
        smoke ? 1 : 3);

    nlohmann::json rows;
    for (const series& one : found)
        rows.push_back({{"way", one.name},
                        {"percent", percent},
                        {"at_once", at_once},
                        {"rate", one.rate()},
                        {"wall", one.wall()},
                        {"cpu", one.cpu()}});
    return rows;
}

int run(extent how_much, results& out)
{
    const bool smoke = how_much == extent::smoke;
    out.table("whole tests", {{"way", "way", 20},
                              {"at_once", "at once", 8},
                              {"percent", "% in use", 9},
                              {"rate", "tests/s", 10},
                              {"wall", "wall us", 10, 1},
                              {"cpu", "CPU us", 10, 1}});
    for (const unsigned percent : {0U, 50U})
        for (const unsigned at_once : {1U, 8U, 64U, 512U}) {
            if (smoke && at_once > 8)
                break;
            try {
                const auto rows =
                    in_own_process([=] { return measure_at(percent, at_once, smoke); });
                for (const auto& row : rows)
                    out.add(row);
            } catch (const not_possible_here& e) {
                out.skip(e.what());
            }
        }
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return bench::run_program(argc, argv, "Whole tests per second", run);
}
