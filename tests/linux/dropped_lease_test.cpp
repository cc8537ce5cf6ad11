// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "process.hpp"

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>

#include <atomic>
#include <mutex>
#include <random>
#include <vector>

// Whatever the threads do with leases, all end.

using berth::find_options;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;

namespace {

constexpr port_range wide = {44000, 45099};

// Each coroutine leaves its leases where the others, on any thread, take them away.
void trade_leases(berth::backend which, std::vector<port_lease>& bazaar)
{
    constexpr int coroutines = 64;
    constexpr int rounds = 50;
    std::mutex mutex;
    std::minstd_rand random(1);
    std::atomic<int> finished = 0;
    asio::thread_pool pool(4);
    for (int i = 0; i < coroutines; ++i) {
        asio::co_spawn(
            pool,
            [&]() -> asio::awaitable<void> {
                const find_options options{.backend = which};
                for (int round = 0; round < rounds; ++round) {
                    auto lease = co_await berth::co_find_unused_port(options);
                    const std::lock_guard lock(mutex);
                    bazaar.push_back(std::move(lease));
                    std::swap(bazaar[random() % bazaar.size()], bazaar.back());
                    if (random() % 8 != 0)
                        bazaar.pop_back();
                }
            },
            [&](std::exception_ptr failure) { finished += failure == nullptr ? 1 : 0; });
    }
    pool.join();
    expect_equal(finished.load(), coroutines, "coroutines that came to their end");
}

} // namespace

TEST_CASE("leases that change hands between threads are all given back", "[linux]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(wide, [&] {
        for (int i = 0; i < 5; ++i) {
            std::vector<port_lease> leases;
            trade_leases(which, leases);
            while (leases.size() < wide.size())
                leases.push_back(berth::find_unused_port({.backend = which}));
            std::error_code ec;
            const port_lease more = berth::find_unused_port({.backend = which}, ec);
            expect(ec == berth::error::ports_exhausted, "one more than there are");
        }
    }));
}
