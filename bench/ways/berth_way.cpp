// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "kit/clock.hpp"
#include "kit/coroutines.hpp"
#include "way.hpp"

#include <berth/berth.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

namespace bench {

namespace {

template <class Allocate>
asio::awaitable<void> allocate_all(std::size_t operations, histogram* latencies,
                                   Allocate allocate)
{
    for (; operations > 0; --operations) {
        const std::uint64_t start = latencies != nullptr ? now() : 0;
        const auto got = co_await allocate();
        if (latencies != nullptr)
            latencies->add(now() - start);
    }
}

void spawn(asio::io_context& context, const task& its, std::size_t operations, goods what,
           berth::backend through)
{
    const auto start = [&](auto allocate) {
        spawn_all(context, operations, its.in_flight,
                  [&its, allocate](std::size_t share) {
                      return allocate_all(share, its.latencies, allocate);
                  });
    };
    if (what == goods::number)
        start([through] { return berth::co_find_unused_port({.backend = through}); });
    else
        start([through] { return berth::co_bind_ephemeral({.backend = through}); });
}

void require(berth::backend through)
{
    for (const auto& [which, available, reason] : berth::available_backends())
        if (which == through && !available)
            throw not_possible_here("berth, " + std::string(to_string(through)) + ": " +
                                    reason);
}

} // namespace

way berth_way(goods what, berth::backend through)
{
    require(through);
    const bool by_calls = through == berth::backend::syscalls;
    return {by_calls ? "berth, system calls" : "berth", [what, through](const task& its) {
                asio::io_context context;
                spawn(context, its, its.operations, what, through);
                on_threads(its, [&context](std::size_t) { context.run(); });
            }};
}

way berth_on_own_contexts(goods what)
{
    return {"berth, a context per thread", [what](const task& its) {
                on_threads(its, [&](std::size_t operations) {
                    asio::io_context context(1);
                    spawn(context, its, operations, what, berth::backend::automatic);
                    context.run();
                });
            }};
}

} // namespace bench
