// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// Many coroutines on a pool of threads, each on a strand of its own, ask for a port at
// the same time. What each is given is held, so no number comes twice.

#include <berth/berth.hpp>

#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <exception>
#include <iostream>
#include <set>
#include <vector>

int main()
{
    constexpr std::size_t threads = 4;
    constexpr std::size_t wanted = 300;

    std::vector<berth::port_lease> leases;
    std::set<std::uint16_t> numbers;
    bool failed = false;

    asio::thread_pool pool(threads);
    const auto collector = asio::make_strand(pool);
    for (std::size_t i = 0; i < wanted; ++i) {
        // One by one on the collector's strand, so that what it writes to needs no mutex.
        auto collect = [&](std::exception_ptr failure, berth::port_lease lease) {
            failed = failed || failure;
            numbers.insert(lease.port());
            leases.push_back(std::move(lease));
        };
        asio::co_spawn(asio::make_strand(pool), berth::co_find_unused_port(),
                       asio::bind_executor(collector, std::move(collect)));
    }
    pool.join();

    std::cout << wanted << " coroutines on " << threads << " threads hold "
              << numbers.size() << " different ports\n";
    return !failed && numbers.size() == wanted ? 0 : 1;
}
