// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"

#include <berth/berth.hpp>

#include <set>
#include <string>

using berth::backend;
using berth::testing::ContainsSubstring;

TEST_CASE("every back end is listed once, and what is missing says why", "[os]")
{
    std::set<backend> seen;
    bool any = false;
    for (const auto& [which, available, reason] : berth::available_backends()) {
        INFO(to_string(which));
        CHECK(seen.insert(which).second);
        CHECK(reason.empty() == available);
        any = any || available;
    }
    CHECK(seen == std::set{backend::io_uring, backend::syscalls, backend::winsock});
    CHECK(any);
}

TEST_CASE("asking for a missing back end is an error that says why", "[os]")
{
    for (const auto& [which, available, reason] : berth::available_backends()) {
        if (available)
            continue;
        std::error_code ec;
        const auto lease = berth::find_unused_port({.backend = which}, ec);
        CHECK(ec == berth::error::backend_unavailable);
        CHECK(!lease);
        CHECK_THROWS_WITH(berth::find_unused_port({.backend = which}),
                          ContainsSubstring(reason) &&
                              ContainsSubstring(std::string(to_string(which))));
    }
}

TEST_CASE("every available back end leases and binds", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto lease = berth::find_unused_port({.backend = which});
    CHECK(lease.port() != 0);
    const auto acceptor =
        berth::bind_ephemeral(context.get_executor(), {.backend = which});
    CHECK(acceptor.local_endpoint().port() != lease.port());
}

TEST_CASE("the names of the back ends are what BERTH_BACKEND takes", "[os]")
{
    CHECK(to_string(backend::automatic) == "automatic");
    CHECK(to_string(backend::io_uring) == "io_uring");
    CHECK(to_string(backend::syscalls) == "syscalls");
    CHECK(to_string(backend::winsock) == "winsock");
    CHECK(to_string(static_cast<backend>(99)) == "unknown");
}
