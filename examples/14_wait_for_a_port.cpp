// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// More tests than ports: each waits for its turn instead of failing, first come, first served.
// Whoever has waited for too long is told the true reason.

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <set>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr int tests = 20;

// The two ports that a firewall lets through, say.
berth::port_set few_ports;

asio::awaitable<void> test(int number, std::vector<int>& order,
                           std::set<std::uint16_t>& used)
{
    berth::port_lease lease =
        co_await berth::co_find_unused_port({.ports = few_ports, .wait = 1min});
    order.push_back(number);
    used.insert(lease.port());
    co_await asio::post(asio::use_awaitable); // here it would start its server
    lease.release();                          // which wakes the next
}

} // namespace

int main()
{
    try {
        berth::port_lease one = berth::find_unused_port();
        berth::port_lease other = berth::find_unused_port();
        few_ports = berth::port_range{one.port(), one.port()} |
                    berth::port_range{other.port(), other.port()};

        std::error_code ec;
        (void)berth::find_unused_port({.ports = few_ports, .wait = 10ms}, ec);
        std::cout << "after 10 ms: " << ec.message() << '\n';
        bool succeeded = ec == berth::error::ports_exhausted;

        asio::io_context context;
        std::vector<int> order;
        std::set<std::uint16_t> used;
        for (int i = 0; i < tests; ++i)
            asio::co_spawn(context, test(i, order, used), [](std::exception_ptr failure) {
                if (failure)
                    std::rethrow_exception(failure);
            });
        context.poll(); // all of them wait now
        succeeded = succeeded && order.empty();
        one.release();
        other.release();
        context.run();

        std::cout << order.size() << " tests had their turn on " << used.size()
                  << " ports, in this order:";
        for (const int number : order)
            std::cout << ' ' << number;
        std::cout << '\n';
        for (int i = 0; i < tests; ++i)
            succeeded = succeeded && order.at(i) == i;
        return succeeded ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
