// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "browser_ports.hpp"
#include "catch.hpp"

using berth::detail::blocked_by_browsers;

TEST_CASE("browsers block the ports of the Fetch standard and no others", "[unit]")
{
    for (const std::uint16_t port : {1, 80 - 1, 2049, 6000, 6665, 6669, 6697, 10080}) {
        INFO(port);
        CHECK(blocked_by_browsers(port));
    }
    for (const std::uint16_t port :
         {0, 2, 80, 443, 6001, 6664, 6670, 8080, 10081, 65535}) {
        INFO(port);
        CHECK(!blocked_by_browsers(port));
    }
    int blocked = 0;
    for (std::uint32_t port = 0; port <= 65535; ++port)
        blocked += blocked_by_browsers(static_cast<std::uint16_t>(port)) ? 1 : 0;
    CHECK(blocked == 82);
}
