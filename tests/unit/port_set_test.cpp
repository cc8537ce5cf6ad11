// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"

#include <berth/error.hpp>
#include <berth/options.hpp>
#include <berth/port_set.hpp>

#include <algorithm>
#include <iterator>
#include <string>
#include <type_traits>
#include <vector>

using berth::port_range;
using berth::port_set;
using berth::testing::ContainsSubstring;

// g++ 12 destroys temporary aggregates in an operand of co_await twice.
static_assert(std::is_trivially_destructible_v<port_set>);
static_assert(std::is_trivially_destructible_v<berth::find_options>);
static_assert(std::is_trivially_destructible_v<berth::bind_options>);

namespace {

constexpr port_range all = {1, 65535};

/// Some ports: every one of them, for comparisons with the sets of the standard library.
std::vector<std::uint16_t> members(const port_set& ports)
{
    std::vector<std::uint16_t> found;
    for (std::uint32_t port = 1; port <= all.last; ++port)
        if (ports.contains(static_cast<std::uint16_t>(port)))
            found.push_back(static_cast<std::uint16_t>(port));
    return found;
}

/// So many ranges of one port each, with a gap between any two.
port_set scattered(std::uint16_t first, std::size_t count)
{
    port_set ports;
    for (std::size_t i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(first + 2 * i);
        ports = ports | port_range{port, port};
    }
    return ports;
}

} // namespace

TEST_CASE("a set of no range is empty and no error", "[unit]")
{
    const port_set none;
    CHECK(none.empty());
    CHECK(none.size() == 0);
    CHECK(!none.contains(1));
    CHECK(!none.error());
    CHECK(to_string(none).empty());
    CHECK((none | none) == none);
    CHECK((none - none) == none);
    CHECK((none & none) == none);
}

TEST_CASE("a range is a set", "[unit]")
{
    const port_set ports = port_range{10, 20};
    CHECK(!ports.empty());
    CHECK(ports.size() == 11);
    CHECK(!ports.contains(9));
    CHECK(ports.contains(10));
    CHECK(ports.contains(20));
    CHECK(!ports.contains(21));
    CHECK(ports != port_set());
    CHECK(ports != port_set(port_range{10, 21}));
    CHECK(port_set(all).size() == 65535);
}

TEST_CASE("a union joins what overlaps or touches, and keeps gaps", "[unit]")
{
    const auto text = [](port_range one, port_range other) {
        const port_set joined = port_set(one) | other;
        CHECK(joined == (port_set(other) | one));
        return to_string(joined);
    };
    CHECK(text({10, 19}, {20, 29}) == "10-29");
    CHECK(text({10, 19}, {21, 29}) == "10-19,21-29");
    CHECK(text({10, 19}, {15, 29}) == "10-29");
    CHECK(text({10, 29}, {15, 19}) == "10-29");
    CHECK(text({10, 19}, {10, 19}) == "10-19");
    CHECK(text({10, 19}, {10, 29}) == "10-29");
    CHECK(text({65534, 65534}, {65535, 65535}) == "65534-65535");
    CHECK(text({1, 65534}, {65535, 65535}) == "1-65535");
    CHECK(text(all, {65535, 65535}) == "1-65535");
    CHECK(text({1, 1}, {65535, 65535}) == "1,65535");

    const port_set ports = port_set(port_range{30, 39}) | port_range{10, 19};
    CHECK(to_string(ports | port_range{20, 29}) == "10-39");
    CHECK(to_string(ports | port_range{15, 45}) == "10-45");
    CHECK((ports | port_set()) == ports);
}

TEST_CASE("a difference takes ports away wherever they lie", "[unit]")
{
    const auto text = [](port_range one, port_range other) {
        return to_string(port_set(one) - other);
    };
    CHECK(text({10, 19}, {20, 29}) == "10-19");
    CHECK(text({20, 29}, {10, 19}) == "20-29");
    CHECK(text({10, 29}, {10, 10}) == "11-29");
    CHECK(text({10, 29}, {29, 29}) == "10-28");
    CHECK(text({10, 29}, {15, 19}) == "10-14,20-29");
    CHECK(text({10, 29}, {5, 15}) == "16-29");
    CHECK(text({10, 29}, {25, 35}) == "10-24");
    CHECK(text({10, 29}, {10, 29}).empty());
    CHECK(text({10, 29}, {1, 65535}).empty());
    CHECK(text({1, 65535}, {65535, 65535}) == "1-65534");
    CHECK(text({1, 65535}, {1, 65534}) == "65535");
    CHECK(text({65535, 65535}, {65535, 65535}).empty());

    const port_set holes = port_set(port_range{12, 13}) | port_range{17, 22};
    CHECK(to_string((port_set(port_range{10, 19}) | port_range{21, 30}) - holes) ==
          "10-11,14-16,23-30");
    CHECK((holes - port_set()) == holes);
    CHECK((port_set() - holes).empty());
}

TEST_CASE("an intersection is what is in both", "[unit]")
{
    const auto text = [](port_range one, port_range other) {
        const port_set common = port_set(one) & other;
        CHECK(common == (port_set(other) & one));
        return to_string(common);
    };
    CHECK(text({10, 19}, {20, 29}).empty());
    CHECK(text({10, 20}, {20, 29}) == "20");
    CHECK(text({10, 29}, {15, 19}) == "15-19");
    CHECK(text({1, 65535}, {65535, 65535}) == "65535");
    CHECK((port_set(all) & port_set()).empty());

    const port_set ports = port_set(port_range{10, 19}) | port_range{30, 39};
    CHECK(to_string(ports & port_range{15, 34}) == "15-19,30-34");
    CHECK((ports & all) == ports);
}

TEST_CASE("an intersection needs no more ranges than are in it", "[unit]")
{
    const port_set ports = scattered(1000, port_set::max_ranges);
    CHECK((port_set(port_range{500, 2000}) & ports) == ports);
    CHECK((ports & port_range{500, 2000}) == ports);
}

TEST_CASE("sets behave as those of the standard library", "[unit]")
{
    const port_set one = port_set(port_range{1, 4}) | port_range{8, 9} |
                         port_range{20, 40} | port_range{65530, 65535};
    const port_set other = port_set(port_range{4, 7}) | port_range{9, 25} |
                           port_range{30, 31} | port_range{65535, 65535};
    const auto a = members(one);
    const auto b = members(other);
    std::vector<std::uint16_t> wanted;
    std::ranges::set_union(a, b, std::back_inserter(wanted));
    CHECK(members(one | other) == wanted);
    CHECK((one | other).size() == wanted.size());
    wanted.clear();
    std::ranges::set_difference(a, b, std::back_inserter(wanted));
    CHECK(members(one - other) == wanted);
    CHECK((one - other).size() == wanted.size());
    wanted.clear();
    std::ranges::set_intersection(a, b, std::back_inserter(wanted));
    CHECK(members(one & other) == wanted);
    CHECK((one & other).size() == wanted.size());
}

TEST_CASE("a set of more separate ranges than it holds is an error", "[unit]")
{
    const port_set full = scattered(1000, port_set::max_ranges);
    CHECK(!full.error());
    CHECK(full.ranges().size() == port_set::max_ranges);
    CHECK(full.size() == port_set::max_ranges);

    CHECK(!(full | port_range{1001, 1001}).error()); // which joins two
    CHECK((full | port_range{1031, 1031}).size() == port_set::max_ranges + 1);

    for (const port_set& many :
         {full | port_range{2000, 2000}, full | port_range{1, 1},
          full | scattered(3000, port_set::max_ranges), port_set(all) - full}) {
        CHECK(many.error() == berth::error::too_many_ranges);
        CHECK((many | port_range{1, 1}).error() == berth::error::too_many_ranges);
        CHECK(many.ranges().size() == port_set::max_ranges);
    }
}

TEST_CASE("what is made of an invalid set is invalid", "[unit]")
{
    const port_range invalid =
        GENERATE(port_range{0, 0}, port_range{0, 100}, port_range{200, 100});
    const port_set good = port_range{10, 20};
    const port_set bad = invalid;
    const port_set many = scattered(1000, port_set::max_ranges + 1);
    CHECK(bad.error() == berth::error::invalid_range);
    CHECK(!bad.empty());
    CHECK(bad.ranges().front() == invalid);
    CHECK(bad != good);
    CHECK(bad == port_set(invalid));
    for (const port_set& made : {bad | good, good | bad, bad - good, good - bad,
                                 bad & good, good & bad, bad | many, many - bad - good}) {
        CHECK(made.error());
        CHECK(made.ranges().size() >= 1);
    }
    CHECK((good | bad).error() == berth::error::invalid_range);
    CHECK((bad & many).error() == berth::error::invalid_range);
    CHECK((many & bad).error() == berth::error::too_many_ranges);
}

TEST_CASE("a set is read as it is written", "[unit]")
{
    CHECK(port_set::parse("40000-40999,45000") ==
          (port_set(port_range{40000, 40999}) | port_range{45000, 45000}));
    CHECK(port_set::parse("80") == port_set(port_range{80, 80}));
    CHECK(to_string(port_set::parse("30-39,10-19,20")) == "10-20,30-39");
    CHECK(to_string(port_set::parse("1-65535,65535")) == "1-65535");
    CHECK(to_string(port_set::parse("5-6,80,90-91")) == "5-6,80,90-91");

    std::error_code ec = berth::error::lease_empty;
    CHECK(!port_set::parse("5,7", ec).empty());
    CHECK(!ec);
}

TEST_CASE("what is not a set is an error that repeats it", "[unit]")
{
    const std::string text =
        GENERATE(as<std::string>(), "", ",", "5,", ",5", "5,,6", "5, 6", " 5", "5 ", "0",
                 "0-5", "9-8", "5,9-8", "65536", "5-6-7", "5;6", "five", "5,\n");
    INFO('"' << text << '"');
    std::error_code ec;
    CHECK(port_set::parse(text, ec) == port_set());
    CHECK(ec == berth::error::invalid_range);
    CHECK_THROWS_WITH(port_set::parse(text), ContainsSubstring('"' + text + '"'));
}

TEST_CASE("a text of too many ranges is that error", "[unit]")
{
    const std::string text = "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31";
    CHECK(port_set::parse(text).ranges().size() == port_set::max_ranges);
    std::error_code ec;
    CHECK(port_set::parse(text + ",33", ec) == port_set());
    CHECK(ec == berth::error::too_many_ranges);
    CHECK_THROWS_WITH(port_set::parse(text + ",33"), ContainsSubstring(",33"));
}

TEST_CASE("outside of the ephemeral range are all other ports from 1024 up", "[unit]")
{
    const port_set outside = port_set::outside_ephemeral();
    const port_range ephemeral = port_range::system_ephemeral();
    CHECK(!outside.error());
    CHECK((outside & ephemeral).empty());
    CHECK(!outside.contains(1023));
    CHECK((outside | ephemeral | port_range{1, 1023}) == port_set(all));
}
