// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"

#include <berth/error.hpp>
#include <berth/port_range.hpp>

#include <string>

using berth::port_range;
using berth::testing::ContainsSubstring;

TEST_CASE("a range is valid unless it is reversed or holds port 0", "[unit]")
{
    STATIC_REQUIRE(port_range{1, 1}.valid());
    STATIC_REQUIRE(port_range{1, 65535}.valid());
    STATIC_REQUIRE(!port_range{0, 0}.valid());
    STATIC_REQUIRE(!port_range{0, 10}.valid());
    STATIC_REQUIRE(!port_range{10, 9}.valid());

    STATIC_REQUIRE(port_range{1, 65535}.size() == 65535);
    STATIC_REQUIRE(port_range{80, 80}.size() == 1);
    STATIC_REQUIRE(port_range{10, 9}.size() == 0);
    STATIC_REQUIRE(port_range{0, 9}.size() == 0);

    STATIC_REQUIRE(port_range{10, 20}.contains(10));
    STATIC_REQUIRE(port_range{10, 20}.contains(20));
    STATIC_REQUIRE(!port_range{10, 20}.contains(9));
    STATIC_REQUIRE(!port_range{10, 20}.contains(21));
}

TEST_CASE("a range is read as it is written", "[unit]")
{
    CHECK(port_range::parse("40000-40999") == port_range{40000, 40999});
    CHECK(port_range::parse("80") == port_range{80, 80});
    CHECK(port_range::parse("1-65535") == port_range{1, 65535});
    CHECK(to_string(port_range{40000, 40999}) == "40000-40999");
    CHECK(port_range::parse(to_string(port_range{7, 9})) == port_range{7, 9});
}

TEST_CASE("what is not a range is an error that repeats it", "[unit]")
{
    const std::string text =
        GENERATE(as<std::string>(), "", "-", "1-", "-1", "0", "0-5", "9-8", "65536",
                 "1-65536", "+5", " 5", "5 ", "5-6-7", "0x10", "five", "5,6");
    INFO('"' << text << '"');
    std::error_code ec;
    CHECK(port_range::parse(text, ec) == port_range{0, 0});
    CHECK(ec == berth::error::invalid_range);
    CHECK_THROWS_WITH(port_range::parse(text), ContainsSubstring('"' + text + '"'));
}

TEST_CASE("reading a good range clears the error", "[unit]")
{
    std::error_code ec = berth::error::lease_empty;
    CHECK(port_range::parse("5-6", ec) == port_range{5, 6});
    CHECK(!ec);
}

TEST_CASE("the system's ephemeral range is a range", "[unit]")
{
    CHECK(port_range::system_ephemeral().valid());
}
