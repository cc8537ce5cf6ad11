// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "catch.hpp"
#include "platform.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

// What the tests of requests that wait have in common.

/// Skips a test that needs ports_exhausted: Wine says of a port that an exclusive socket has what
/// Windows says of an excluded one.
#define BERTH_NEEDS_EXHAUSTION()                                                         \
    do {                                                                                 \
        if (berth::testing::under_wine())                                                \
            BERTH_SKIP("Wine does not say that every port is taken");                    \
    } while (false)

namespace berth::testing {

inline constexpr auto long_enough = std::chrono::minutes(2);

/// Keeps what a handler was called with, and how often it was.
template <class Value>
struct outcome {
    int calls = 0;
    std::error_code ec;
    std::optional<Value> value;

    auto handler()
    {
        return [this](std::error_code e, Value v) {
            ++calls;
            ec = e;
            value.emplace(std::move(v));
        };
    }
};

/// Ports that are all taken, by leases, until they are given back.
struct taken {
    explicit taken(berth::backend which, std::size_t count = 1) : backend(which)
    {
        for (std::size_t i = 0; i < count; ++i) {
            leases.push_back(berth::find_unused_port(
                {.mode = berth::lease_mode::sealed, .backend = which}));
            const auto port = leases.back().port();
            ports = ports | berth::port_range{port, port};
        }
    }

    [[nodiscard]] berth::find_options
    find(std::chrono::steady_clock::duration wait = long_enough) const
    {
        return {.ports = ports, .wait = wait, .backend = backend};
    }

    [[nodiscard]] berth::bind_options
    bind(std::chrono::steady_clock::duration wait = long_enough) const
    {
        return {.ports = ports, .wait = wait, .backend = backend};
    }

    void give_back() { leases.clear(); }

    berth::backend backend;
    berth::port_set ports;
    std::vector<port_lease> leases;
};

/// Runs one handler after the other until `done()` is true.
template <class Done>
void run_until(asio::io_context& context, Done&& done)
{
    while (!done())
        context.run_one();
}

} // namespace berth::testing
