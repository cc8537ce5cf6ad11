// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "set_search.hpp"

#include <berth/error.hpp>

#include <map>
#include <random>
#include <set>
#include <vector>

using berth::counters;
using berth::port_pattern;
using berth::port_range;
using berth::port_set;
using berth::detail::allocation;
using berth::detail::candidate_ports;
using berth::detail::lease_sockets;
using berth::detail::port_hunt;
using berth::detail::set_search;
using berth::detail::socket_spec;
using berth::detail::unique_socket;

namespace {

using ports = std::vector<std::uint16_t>;

const std::error_code in_use = std::make_error_code(std::errc::address_in_use);
const std::error_code denied = std::make_error_code(std::errc::permission_denied);
const std::error_code no_memory = std::make_error_code(std::errc::not_enough_memory);
const std::error_code no_address = std::make_error_code(std::errc::address_not_available);

const socket_spec tcp = {.address = asio::ip::address_v6::any()};
const socket_spec udp = {.address = asio::ip::address_v4::loopback(), .udp = true};
const socket_spec perhaps = {
    .address = asio::ip::address_v6::loopback(), .udp = true, .optional = true};

/// Says for each port what it was told to; grants the others, with numbers that no descriptor has.
class scripted final : public berth::detail::port_backend {
public:
    void run(std::span<allocation> batch) noexcept override
    {
        ++batches;
        for (allocation& one : batch) {
            const port_hunt::step step = one.hunt.start();
            tried.push_back(step.port);
            const auto said =
                says.find({step.port, one.spec.udp, one.spec.address.is_v6()});
            const auto any = refuses.find(step.port);
            if (said != says.end())
                one.ec = said->second;
            else if (any != refuses.end())
                one.ec = any->second;
            if (one.ec)
                (void)one.hunt.refused(step.port, one.ec);
            else
                one.socket = unique_socket(next_++);
            one.port = step.port;
        }
    }

    berth::backend_status status() override
    {
        return {berth::backend::syscalls, true, {}};
    }

    std::map<std::tuple<std::uint16_t, bool, bool>, std::error_code> says;
    std::map<std::uint16_t, std::error_code> refuses;
    ports tried;
    int batches = 0;

private:
    berth::detail::native_socket next_ = 1'500'000'000;
};

struct found {
    std::error_code ec;
    ports numbers;
    std::vector<std::size_t> sockets; // of each
};

found search(scripted& through, const port_pattern& pattern, port_range range,
             const std::vector<socket_spec>& sockets = {tcp}, std::uint16_t preferred = 0)
{
    const auto first = berth::detail::is_rigid(pattern) ? pattern : port_pattern(1);
    const auto candidates = std::make_shared<candidate_ports>(
        port_set(range), std::span<const port_range>(), std::minstd_rand(1), 0, false,
        std::nullopt, first);
    counters tally;
    set_search one(through, candidates, preferred, pattern, sockets, tally);
    found answer;
    answer.ec = one.run();
    if (!answer.ec)
        one.take([&](const lease_sockets& held, std::uint16_t port) {
            answer.numbers.push_back(port);
            answer.sockets.push_back(held.size());
        });
    CHECK(tally.tried == through.tried.size());
    return answer;
}

} // namespace

TEST_CASE("any ports are found together, each once", "[unit]")
{
    scripted all;
    const found answer = search(all, 3, {100, 102});
    CHECK(!answer.ec);
    CHECK(std::set(answer.numbers.begin(), answer.numbers.end()) ==
          std::set<std::uint16_t>{100, 101, 102});
    CHECK(all.batches == 1);
}

TEST_CASE("a block is found where all of it is free, and no refused port is tried twice",
          "[unit]")
{
    scripted all;
    all.refuses = {{102, in_use}, {105, in_use}};
    const found answer = search(all, port_pattern::block(3), {100, 109});
    CHECK(!answer.ec);
    CHECK(answer.numbers.size() == 3);
    CHECK(answer.numbers.front() >= 106);
    CHECK(answer.numbers.back() == answer.numbers.front() + 2);
    CHECK(std::ranges::count(all.tried, 102) <= 1);
    CHECK(std::ranges::count(all.tried, 105) <= 1);
}

TEST_CASE("where no place is left the ports are exhausted", "[unit]")
{
    scripted all;
    all.refuses = {{101, in_use}};
    CHECK(search(all, port_pattern::block(2), {100, 102}).ec ==
          berth::error::ports_exhausted);
    scripted few;
    few.refuses = {{101, in_use}};
    CHECK(search(few, 3, {100, 102}).ec == berth::error::ports_exhausted);
}

TEST_CASE("where every refusal was a denial that is the error", "[unit]")
{
    scripted all;
    all.refuses = {{100, denied}, {101, denied}};
    CHECK(search(all, port_pattern::block(2), {100, 101}).ec == denied);
    scripted mixed;
    mixed.refuses = {{100, denied}, {101, in_use}};
    CHECK(search(mixed, 2, {100, 101}).ec == berth::error::ports_exhausted);
}

TEST_CASE("each port has all of its sockets, or another is tried", "[unit]")
{
    scripted all;
    all.says[{100, true, false}] = in_use;
    const found answer = search(all, 1, {100, 101}, {tcp, udp});
    CHECK(!answer.ec);
    CHECK(answer.numbers == ports{101});
    CHECK(answer.sockets == std::vector<std::size_t>{2});
}

TEST_CASE("a socket on an address that the host lacks is left out where it is optional",
          "[unit]")
{
    scripted all;
    all.says[{100, true, true}] = no_address;
    const found answer = search(all, 1, {100, 100}, {udp, perhaps});
    CHECK(!answer.ec);
    CHECK(answer.sockets == std::vector<std::size_t>{1});

    scripted strict;
    strict.says[{100, true, false}] = no_address;
    CHECK(search(strict, 1, {100, 100}, {udp, perhaps}).ec == no_address);

    scripted taken;
    taken.says[{100, true, true}] = in_use;
    CHECK(search(taken, 1, {100, 100}, {udp, perhaps}).ec ==
          berth::error::ports_exhausted);
}

TEST_CASE("an error that is no refusal ends the search", "[unit]")
{
    scripted all;
    all.refuses = {{100, no_memory}};
    CHECK(search(all, 2, {100, 101}).ec == no_memory);
    CHECK(all.batches == 1);
}

TEST_CASE("the preferred port is the first, in the range or not", "[unit]")
{
    scripted all;
    CHECK(search(all, 2, {100, 105}, {tcp}, 103).numbers.front() == 103);
    scripted outside;
    CHECK(search(outside, port_pattern::block(2), {100, 105}, {tcp}, 200).numbers ==
          ports{200, 201});
    scripted taken;
    taken.refuses = {{201, in_use}};
    CHECK(search(taken, port_pattern::block(2), {100, 101}, {tcp}, 200).numbers ==
          ports{100, 101});
}

TEST_CASE("more sockets than a batch holds go out in several", "[unit]")
{
    scripted all;
    const found answer = search(all, 100, {1000, 1999}, {tcp, udp});
    CHECK(!answer.ec);
    CHECK(answer.numbers.size() == 100);
    CHECK(all.batches == 7);
}
