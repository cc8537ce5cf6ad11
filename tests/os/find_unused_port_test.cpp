// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/bind_ephemeral.hpp>
#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>

#include <algorithm>
#include <set>
#include <vector>

using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::make_address;
using asio::ip::tcp;
using berth::port_range;
using namespace berth::testing;

namespace {

// A range of one port that was free a moment ago: another process may take it, so each use of it
// is in a loop that tries again.
constexpr int attempts = 50;

} // namespace

TEST_CASE("a lease holds its number on every address of the host", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto lease = berth::find_unused_port({.backend = which});
    REQUIRE(lease);
    CHECK(is_ephemeral(lease.port()));
    for (const char* const address : {"127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"}) {
        INFO(address);
        CHECK(is_taken(bind_plainly<tcp>(make_address(address), lease.port())));
    }
}

TEST_CASE("a lease on one address holds it there only", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto lease =
        berth::find_unused_port({.addresses = address_v4::loopback(), .backend = which});
    CHECK(bind_plainly<tcp>(address_v4::loopback(), lease.port()) ==
          std::errc::address_in_use);

    const auto six =
        berth::find_unused_port({.addresses = address_v6::loopback(), .backend = which});
    CHECK(bind_plainly<tcp>(address_v6::loopback(), six.port()) ==
          std::errc::address_in_use);
}

TEST_CASE("an open lease lets a server in that sets SO_REUSEADDR, a sealed one does not",
          "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    const auto open = berth::find_unused_port({.backend = which});
    CHECK(open.mode() == berth::lease_mode::open);
    // Asio's acceptor sets it.
    tcp::acceptor server(context, tcp::endpoint(address_v4::loopback(), open.port()));
    auto [client, accepted] = connect_through(server, address_v4::loopback());
    CHECK(client.remote_endpoint() == accepted.local_endpoint());

    const auto sealed =
        berth::find_unused_port({.mode = berth::lease_mode::sealed, .backend = which});
    CHECK(sealed.mode() == berth::lease_mode::sealed);
    CHECK_THROWS_AS(
        tcp::acceptor(context, tcp::endpoint(address_v4::loopback(), sealed.port())),
        std::system_error);
}

TEST_CASE("a client that comes before the server is refused", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto lease = berth::find_unused_port({.backend = which});
    CHECK(connect_to(address_v4::loopback(), lease.port()) ==
          std::errc::connection_refused);
    CHECK(connect_to(address_v6::loopback(), lease.port()) ==
          std::errc::connection_refused);
}

TEST_CASE("leases that are held together have different numbers", "[os]")
{
    BERTH_EACH_BACKEND(which);
    std::vector<berth::port_lease> leases;
    std::set<std::uint16_t> numbers;
    for (int i = 0; i < 300; ++i) {
        leases.push_back(berth::find_unused_port({.backend = which}));
        numbers.insert(leases.back().port());
    }
    CHECK(numbers.size() == 300);
}

TEST_CASE("a lease comes from the range that is asked for", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const port_range range{20000, 20999};
    for (int i = 0; i < 50; ++i) {
        const auto lease = berth::find_unused_port({.ports = range, .backend = which});
        CHECK(range.contains(lease.port()));
    }
}

TEST_CASE("a range without a free port is exhausted, after each was tried once", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto blocker = berth::find_unused_port({.backend = which});
    const port_range range{blocker.port(), blocker.port()};
    std::error_code ec;
    const auto lease = berth::find_unused_port({.ports = range, .backend = which}, ec);
    CHECK(!lease);
    CHECK(is_exhausted(ec));
    CHECK_THROWS_WITH(berth::find_unused_port({.ports = range, .backend = which}),
                      ContainsSubstring(to_string(berth::port_set(range))) &&
                          ContainsSubstring(std::string(to_string(which))));
}

TEST_CASE("an exhausted range is usable again when a port comes back", "[os]")
{
    BERTH_EACH_BACKEND(which);
    bool seen = false;
    for (int i = 0; i < attempts && !seen; ++i) {
        auto blocker = berth::find_unused_port({.backend = which});
        const port_range range{blocker.port(), blocker.port()};
        std::error_code ec;
        auto lease = berth::find_unused_port({.ports = range, .backend = which}, ec);
        REQUIRE(is_exhausted(ec));
        blocker.release();
        lease = berth::find_unused_port({.ports = range, .backend = which}, ec);
        seen = !ec && lease.port() == range.first;
    }
    CHECK(seen);
}

TEST_CASE("a range that is none is refused before a socket is opened", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const port_range range =
        GENERATE(port_range{0, 0}, port_range{0, 100}, port_range{200, 100});
    INFO(to_string(range));
    std::error_code ec;
    CHECK(!berth::find_unused_port({.ports = range, .backend = which}, ec));
    CHECK(ec == berth::error::invalid_range);
    CHECK_THROWS_WITH(berth::find_unused_port({.ports = range, .backend = which}),
                      ContainsSubstring(to_string(berth::port_set(range))));
}

TEST_CASE("an address that the host does not have passes the system's error through",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    // 192.0.2.0/24 is for documentation (RFC 5737).
    const auto address = make_address("192.0.2.1");
    std::error_code ec;
    CHECK(!berth::find_unused_port({.addresses = address, .backend = which}, ec));
    CHECK(ec == std::errc::address_not_available);
    CHECK_THROWS_WITH(berth::find_unused_port({.addresses = address, .backend = which}),
                      ContainsSubstring("192.0.2.1"));
}

TEST_CASE("success clears the error code", "[os]")
{
    std::error_code ec = berth::error::lease_empty;
    CHECK(berth::find_unused_port({}, ec));
    CHECK(!ec);
}
