// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "platform.hpp"

#include <berth/find_unused_port.hpp>

#include <asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <system_error>

// Requests that wait while there is no memory for anybody, Asio's timers among them.

namespace {

constexpr std::size_t never = std::size_t(-1);
thread_local std::size_t left = never; // so many allocations before one fails

/// While it lives one allocation of this thread fails.
class one_failure {
public:
    explicit one_failure(std::size_t before) { left = before; }
    one_failure(const one_failure&) = delete;
    one_failure& operator=(const one_failure&) = delete;
    ~one_failure() { left = never; }

    [[nodiscard]] static bool has_been() { return left == never; }
};

} // namespace

// Not inlined, lest g++ take what one of them does for a mismatch; and all of them, lest a sanitizer
// find one.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept
{
    const bool fails = left == 0;
    if (left != never)
        --left; // after the last, never again
    return fails ? nullptr : std::malloc(size != 0 ? size : 1);
}

[[gnu::noinline]] void* operator new(std::size_t size)
{
    void* const memory = operator new(size, std::nothrow);
    if (memory == nullptr)
        throw std::bad_alloc();
    return memory;
}

[[gnu::noinline]] void operator delete(void* memory) noexcept
{
    std::free(memory);
}

[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}

TEST_CASE("whatever allocation fails a request that waits is answered once", "[os]")
{
    if (berth::testing::under_wine())
        BERTH_SKIP("Wine does not say that every port is taken");
    bool failed = true;
    for (std::size_t before = 0; failed; ++before) {
        REQUIRE(before < 200);
        auto taken = berth::find_unused_port();
        const berth::find_options options{
            .ports = berth::port_range{taken.port(), taken.port()},
            .wait = std::chrono::minutes(2)};
        asio::io_context context;
        int answers = 0;
        berth::async_find_unused_port(
            context.get_executor(), options,
            [&](std::error_code, const berth::port_lease&) { ++answers; });
        {
            const one_failure here(before);
            context.poll();
            failed = one_failure::has_been();
        }
        taken.release();
        context.run();
        CHECK(answers == 1);
    }
}
