// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "platform.hpp"
#include "process.hpp"
#include "stranger.hpp"

#include <sstream>
#include <string>

// The rows of Microsoft's table of binds on which berth rests, the second socket in another process
// of the same user:
// https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse

using namespace berth::testing;

namespace {

struct row {
    const char* first;  // its address; it claims exclusive use
    const char* second; // its address
    const char* said;   // to no option, to SO_REUSEADDR, to SO_EXCLUSIVEADDRUSE
};

// A dual-stack socket is held against the table of either family
// (https://learn.microsoft.com/archive/blogs/wndp/winsock-so_exclusiveaddruse-on-vista).
constexpr std::array rows = {
    row{"0.0.0.0", "0.0.0.0", "INUSE ACCESS INUSE "},
    row{"0.0.0.0", "127.0.0.1", "ACCESS ACCESS ACCESS "},
    row{"127.0.0.1", "0.0.0.0", "ok ok INUSE "},
    row{"127.0.0.1", "127.0.0.1", "INUSE ACCESS INUSE "},
    row{"127.0.0.1", "127.0.0.2", "ok ok ok "},
    row{"::1", "::1", "INUSE ACCESS INUSE "},
    row{"::", "::", "INUSE ACCESS INUSE "},
    row{"::", "0.0.0.0", "INUSE ACCESS INUSE "},
    row{"::", "::1", "ACCESS ACCESS ACCESS "},
    row{"::", "127.0.0.1", "ACCESS ACCESS ACCESS "},
    row{"::", "127.0.0.2", "ACCESS ACCESS ACCESS "},
};

// Wine says WSAEACCES wherever an exclusive wildcard socket has the port.
std::string expected(const row& of)
{
    const bool wildcard =
        of.first == std::string("::") || of.first == std::string("0.0.0.0");
    return under_wine() && wildcard ? "ACCESS ACCESS ACCESS " : of.said;
}

} // namespace

TEST_CASE("Windows keeps its table of binds", "[windows]")
{
    process other("steal");
    for (const row& one : rows) {
        INFO("an exclusive socket on " << one.first << ", then one on " << one.second);
        stranger first(one.first, claim::exclusive);
        REQUIRE(first.bind(0) == "ok");
        other.say(one.second + (' ' + std::to_string(first.port())));
        CHECK(other.hear() == expected(one));
    }
}

TEST_CASE("a server on the wildcard is let in beside one on a single address",
          "[windows]")
{
    stranger first("127.0.0.1", claim::exclusive);
    REQUIRE(first.bind(0) == "ok");
    REQUIRE(first.listen() == "ok");
    // Wine asks Linux, which lets nobody in beside a socket that listens.
    CHECK(stranger("0.0.0.0", claim::nothing).bind(first.port()) ==
          (under_wine() ? "INUSE" : "ok"));
}

TEST_CASE("an exclusive wildcard socket is let in beside nobody", "[windows]")
{
    for (const char* const address : every_address)
        for (const claim what : every_claim) {
            INFO("after a socket on " << address << " with " << to_string(what));
            stranger first(address, what);
            REQUIRE(first.bind(0) == "ok");
            CHECK(stranger("::", claim::exclusive).bind(first.port()) != "ok");
        }
}
