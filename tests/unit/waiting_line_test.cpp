// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "waiting_line.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>

#include <deque>
#include <utility>

using asio::ip::make_address;
using berth::port_range;
using berth::detail::product;
using berth::detail::request;
using berth::detail::waiter;
using berth::detail::waiting_line;
using namespace std::chrono_literals;

namespace {

using time_point = waiter::clock::time_point;

constexpr port_range some = {40000, 40009};
constexpr auto long_enough = std::chrono::hours(1);

// Times of the tests: the line asks no clock but for the deadline, which is real time.
const time_point start = waiter::clock::now();

struct wish {
    request asked;
    explicit wish(request what) : asked(std::move(what)) {}
};

class fake : wish, public waiter {
public:
    explicit fake(const berth::find_options& options)
        : wish(request(options)), waiter(wish::asked)
    {}

    explicit fake(request what) : wish(std::move(what)), waiter(wish::asked) {}

    using waiter::depend_on;

    int armed = 0;
    int woken = 0;
    bool disarmed = false;
    bool can_be_armed = true;
    time_point until = {};

private:
    bool arm(time_point alarm) noexcept override
    {
        ++armed;
        until = alarm;
        return can_be_armed;
    }

    void wake() noexcept override { ++woken; }
    void disarm() noexcept override { disarmed = true; }
};

berth::find_options waiting(berth::port_set ports = some,
                            waiter::clock::duration wait = long_enough)
{
    return {.ports = ports, .wait = wait};
}

// It has tried in vain, twice if it is the first, and sleeps.
void settle(waiting_line& line, fake& one, time_point now = start)
{
    REQUIRE(line.awake(one, now));
    REQUIRE(line.sleep(one, now));
    if (one.until == now) {
        REQUIRE(line.awake(one, now));
        REQUIRE(line.sleep(one, now));
    }
    REQUIRE(one.until > now);
}

// Tries and waits, until a moment; says how often.
int tries_until(waiting_line& line, fake& one, time_point end)
{
    int tries = 0;
    while (one.until < end) {
        const auto now = one.until;
        tries += line.awake(one, now) ? 1 : 0;
        if (!line.sleep(one, now))
            break;
    }
    return tries;
}

} // namespace

TEST_CASE("who finds nothing tries once more before he sleeps, lest a return be missed",
          "[unit]")
{
    waiting_line line;
    fake one(waiting());
    CHECK(!line.line_up(one, start));
    CHECK(line.empty());
    CHECK(line.awake(one, start));
    CHECK(line.sleep(one, start));
    CHECK(!line.empty());
    CHECK(one.until == start);
    CHECK(line.awake(one, start));
    CHECK(line.sleep(one, start));
    CHECK(one.until > start);
    line.leave(one, start);
    CHECK(line.empty());
    CHECK(one.woken == 0);
}

TEST_CASE("the first polls ever more slowly, the others do not try", "[unit]")
{
    waiting_line line;
    fake first(waiting());
    fake second(waiting());
    settle(line, first);
    CHECK(first.until <= start + waiting_line::first_pause);
    CHECK(line.line_up(second, start));
    CHECK(!line.awake(second, start));
    CHECK(line.sleep(second, start));

    int tries = 0;
    int others_tries = 0;
    for (auto now = start; now < start + 60s; now += 1s) {
        tries += tries_until(line, first, now + 1s);
        others_tries += tries_until(line, second, now + 1s);
    }
    // Between 50 ms and 100 ms, after the first few.
    CHECK(tries >= 600);
    CHECK(tries <= 1210);
    CHECK(others_tries == 0);
    CHECK(second.armed <= 62);
    line.leave(first, start + 60s);
    line.leave(second, start + 60s);
}

TEST_CASE("tries that take long are made seldom", "[unit]")
{
    waiting_line line;
    fake one(waiting());
    settle(line, one);
    REQUIRE(line.awake(one, start + 1s));
    REQUIRE(line.sleep(one, start + 1s + 50ms));
    CHECK(one.until - (start + 1s + 50ms) >= 450ms);
    line.leave(one, start + 2s);
}

TEST_CASE("a port that comes back wakes the first of each line that wants it", "[unit]")
{
    waiting_line line;
    fake first(waiting());
    fake second(waiting());
    fake wider(waiting(port_range{40000, 40100}));
    fake other(waiting(port_range{41000, 41009}));
    fake any(berth::find_options{.wait = long_enough});
    fake prefers(berth::find_options{
        .ports = port_range{42000, 42001}, .preferred = 40005, .wait = long_enough});
    settle(line, first);
    CHECK(line.line_up(second, start));
    REQUIRE(line.sleep(second, start));
    for (fake* const one : {&wider, &other, &any, &prefers})
        settle(line, *one);

    line.returned(40005, false, start);
    CHECK(first.woken == 1);
    CHECK(second.woken == 0);
    CHECK(wider.woken == 1);
    CHECK(other.woken == 0);
    CHECK(any.woken == 0);
    CHECK(prefers.woken == 1);

    // Who is awake is not woken, but does not sleep before another try.
    line.returned(40005, true, start);
    CHECK(first.woken == 1);
    CHECK(any.woken == 1);
    CHECK(line.sleep(first, start));
    CHECK(first.until == start);
    for (fake* const one : {&first, &second, &wider, &other, &any, &prefers})
        line.leave(*one, start);
    CHECK(line.empty());
}

TEST_CASE("who leaves the front wakes the next; who leaves from behind, nobody", "[unit]")
{
    waiting_line line;
    std::deque<fake> all;
    for (int i = 0; i < 5; ++i) {
        all.emplace_back(waiting());
        if (i == 0) {
            settle(line, all[0]);
            continue;
        }
        REQUIRE(line.line_up(all.back(), start));
        REQUIRE(line.sleep(all.back(), start));
    }
    line.leave(all[4], start);
    line.leave(all[2], start);
    CHECK(all[1].woken + all[3].woken == 0);
    line.leave(all[0], start);
    CHECK(all[1].woken == 1);
    CHECK(all[3].woken == 0);
    CHECK(line.awake(all[1], start));
    CHECK(!line.awake(all[3], start));
    REQUIRE(line.sleep(all[3], start));
    line.leave(all[1], start);
    CHECK(all[3].woken == 1);
    line.leave(all[3], start);
    CHECK(line.empty());
}

TEST_CASE("other addresses, transports and families are other lines", "[unit]")
{
    waiting_line line;
    fake first(waiting());
    settle(line, first);

    auto options = waiting();
    options.addresses = make_address("127.0.0.1");
    fake address(options);
    CHECK(!line.line_up(address, start));

    options = waiting();
    options.transports = berth::transports::both;
    fake transport(options);
    CHECK(!line.line_up(transport, start));

    options = waiting();
    options.families = berth::families::v4;
    fake family(options);
    CHECK(!line.line_up(family, start));

    const berth::bind_options bind{
        .address = make_address("127.0.0.1"), .ports = some, .wait = long_enough};
    fake acceptor(request(product::tcp_acceptor, bind));
    fake socket(request(product::udp_socket, bind));
    settle(line, address);
    CHECK(line.line_up(acceptor, start));
    CHECK(!line.line_up(socket, start));
    for (fake* const one : {&first, &address, &acceptor})
        line.leave(*one, start);
    CHECK(line.empty());
}

TEST_CASE("who is not at work when he should be does not hold up the others", "[unit]")
{
    waiting_line line;
    fake stuck(waiting());
    fake also_stuck(waiting());
    fake third(waiting());
    fake fourth(waiting());
    settle(line, stuck);
    for (fake* const one : {&also_stuck, &third, &fourth}) {
        REQUIRE(line.line_up(*one, start));
        REQUIRE(line.sleep(*one, start));
    }
    CHECK(tries_until(line, third, start + 2 * waiting_line::patience) == 0);
    CHECK(tries_until(line, third, start + 4 * waiting_line::patience) > 10);

    // A return reaches him, and whoever is before him.
    const auto now = start + 4 * waiting_line::patience;
    line.returned(40000, false, now);
    CHECK(stuck.woken == 1);
    CHECK(also_stuck.woken == 1);
    CHECK(third.woken == 1);
    CHECK(fourth.woken == 0);

    // When he is served it is the next one's turn.
    REQUIRE(!line.awake(fourth, now));
    REQUIRE(line.sleep(fourth, now));
    line.leave(third, now);
    CHECK(fourth.woken == 1);

    // The first has kept his place.
    CHECK(line.awake(stuck, now));
    CHECK(!line.awake(fourth, now));
    for (fake* const one : {&stuck, &also_stuck, &fourth})
        line.leave(*one, now);
    CHECK(line.empty());
}

TEST_CASE("who is roused does not sleep on", "[unit]")
{
    waiting_line line;
    fake one(waiting());
    settle(line, one);
    line.rouse(one);
    CHECK(one.woken == 1);
    CHECK(line.awake(one, start));
    line.rouse(one);
    CHECK(one.woken == 1);
    CHECK(line.sleep(one, start));
    CHECK(one.until == start);
    line.leave(one, start);
    line.rouse(one);
    CHECK(one.woken == 1);
}

TEST_CASE("nobody sleeps past the end of his time, nor without an alarm", "[unit]")
{
    waiting_line line;
    fake one(waiting(some, 1ms));
    const auto late = waiter::clock::now() + 1ms;
    REQUIRE(line.awake(one, start));
    REQUIRE(line.sleep(one, start));
    REQUIRE(line.awake(one, start));
    REQUIRE(line.sleep(one, start));
    CHECK(one.until <= late);
    CHECK(!line.sleep(one, late));
    line.leave(one, late);

    fake forever(waiting(some, waiter::clock::duration::max()));
    settle(line, forever);
    forever.can_be_armed = false;
    CHECK(!line.sleep(forever, start));
    line.returned(40000, false, start);
    CHECK(forever.woken == 0);
    line.leave(forever, start);
    CHECK(line.empty());
}

TEST_CASE("a context that is shut down takes along those who depend on it", "[unit]")
{
    waiting_line line;
    asio::io_context context;
    asio::io_context other;
    std::deque<fake> all;
    for (int i = 0; i < 4; ++i) {
        all.emplace_back(waiting());
        all[i].depend_on(i % 2 == 0 ? context : other);
        if (i == 0) {
            settle(line, all[0]);
            continue;
        }
        REQUIRE(line.line_up(all.back(), start));
        REQUIRE(line.sleep(all.back(), start));
    }
    line.shut_down(context);
    CHECK(all[0].disarmed);
    CHECK(all[2].disarmed);
    CHECK(!all[1].disarmed);
    CHECK(all[1].woken == 1);
    line.returned(40000, false, start);
    line.leave(all[1], start);
    CHECK(all[3].woken == 1);
    CHECK(all[0].woken + all[2].woken == 0);
    line.leave(all[3], start);
    CHECK(line.empty());
}
