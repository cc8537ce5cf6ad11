// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "lost_ports.hpp"

#include "kit/clock.hpp"
#include "kit/coroutines.hpp"
#include "kit/network.hpp"
#include "ways/original.hpp"

#include <berth/berth.hpp>

#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>

namespace bench {

namespace {

using asio::ip::tcp;

constexpr unsigned under_way = 16;
constexpr std::chrono::milliseconds other_work(20);

struct found_port {
    std::uint16_t number = 0;
    berth::port_lease lease; // empty where nothing is held
};

asio::awaitable<found_port> find(finder with)
{
    if (with == finder::berth) {
        berth::port_lease lease = co_await berth::co_find_unused_port();
        const std::uint16_t number = lease.port();
        co_return found_port{number, std::move(lease)};
    }
    if (with == finder::asio) {
        tcp::acceptor free(co_await asio::this_coro::executor, tcp::v4());
        free.bind({asio::ip::address_v4::loopback(), 0});
        co_return found_port{free.local_endpoint().port(), {}};
    }
    co_return found_port{bind_originally(goods::number).port, {}};
}

asio::awaitable<void> find_and_serve(finder with, std::size_t times, std::size_t& lost)
{
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor);
    tcp::acceptor server(executor);
    for (; times > 0; --times) {
        const found_port found = co_await find(with);
        timer.expires_after(other_work);
        co_await timer.async_wait(asio::use_awaitable);

        std::error_code ec;
        server.close(ec);
        server.open(tcp::v4());
        server.set_option(tcp::acceptor::reuse_address(true));
        server.bind({asio::ip::address_v4::loopback(), found.number}, ec);
        if (!ec)
            server.listen(asio::socket_base::max_listen_connections, ec);
        if (ec == asio::error::address_in_use)
            ++lost;
        else if (ec)
            throw std::system_error(ec, "server");
    }
}

nlohmann::json take_part(finder with, std::size_t allocations)
{
    asio::io_context context;
    std::size_t lost = 0;
    const std::uint64_t start = now();
    spawn_all(context, allocations, under_way,
              [&](std::size_t share) { return find_and_serve(with, share, lost); });
    context.run();
    return {{"start", start}, {"end", now()}, {"found", allocations}, {"lost", lost}};
}

nlohmann::json all_take_part(finder with, unsigned processes, std::size_t allocations)
{
    try {
        enter_private_network();
    } catch (const not_possible_here&) {
        // Then others of this machine take part as well.
    }
    const helpers all = make_helpers(processes, [&]() -> helper::service {
        return [&](const nlohmann::json&) {
            return take_part(with, allocations / processes);
        };
    });
    return ask_all(all, {});
}

} // namespace

std::string to_string(finder with)
{
    switch (with) {
    case finder::berth:
        return "berth";
    case finder::original:
        return "original";
    case finder::asio:
        return "Asio";
    }
    return {};
}

losses lost_ports(finder with, unsigned processes, std::size_t allocations)
{
    const auto answers =
        in_own_process([&] { return all_take_part(with, processes, allocations); });
    losses sum;
    sum.seconds = seconds_together(answers);
    for (const auto& one : answers) {
        sum.found += one.at("found").get<std::size_t>();
        sum.lost += one.at("lost").get<std::size_t>();
    }
    return sum;
}

} // namespace bench
