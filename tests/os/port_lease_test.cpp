// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"
#include "sockets.hpp"

#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>
#include <berth/port_lease.hpp>

#include <asio/io_context.hpp>

#include <memory>
#include <type_traits>

using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::tcp;
using berth::lease_mode;
using berth::port_lease;
using namespace berth::testing;

static_assert(!std::is_copy_constructible_v<port_lease>);
static_assert(!std::is_copy_assignable_v<port_lease>);
static_assert(std::is_nothrow_move_constructible_v<port_lease>);
static_assert(std::is_nothrow_move_assignable_v<port_lease>);
static_assert(!std::is_convertible_v<port_lease, std::uint16_t>);
static_assert(!std::is_convertible_v<port_lease, bool>);
static_assert(sizeof(port_lease) <= 16 + 8 * sizeof(void*)); // eight sockets in place

namespace {

void check_empty(port_lease& lease)
{
    CHECK(!lease);
    CHECK(!lease.valid());
    CHECK(lease.port() == 0);
    CHECK(lease.release() == 0);

    std::error_code ec;
    lease.open(ec);
    CHECK(ec == berth::error::lease_empty);
    lease.seal(ec);
    CHECK(ec == berth::error::lease_empty);
    CHECK_THROWS_AS(lease.open(), std::system_error);
    CHECK_THROWS_AS(lease.seal(), std::system_error);

    asio::io_context context;
    CHECK(!std::move(lease).listen(context.get_executor(), 1, ec).is_open());
    CHECK(ec == berth::error::lease_empty);
    CHECK_THROWS_AS(std::move(lease).listen(context.get_executor()), std::system_error);
}

} // namespace

TEST_CASE("a default lease is empty and says so", "[os]")
{
    port_lease lease;
    check_empty(lease);
}

TEST_CASE("a moved-from lease is empty, and what it held is held by the other", "[os]")
{
    BERTH_EACH_BACKEND(which);
    port_lease first = berth::find_unused_port({.backend = which});
    const auto port = first.port();

    port_lease second(std::move(first));
    check_empty(first); // NOLINT(bugprone-use-after-move)
    CHECK(second.port() == port);
    CHECK(!is_free(port));

    port_lease third = berth::find_unused_port({.backend = which});
    third = std::move(second);
    check_empty(second); // NOLINT(bugprone-use-after-move)
    CHECK(third.port() == port);
    CHECK(!is_free(port));

    auto& itself = third;
    third = std::move(itself);
    CHECK(third.port() == port);
    CHECK(!is_free(port));
}

TEST_CASE("assignment gives back what was held before", "[os]")
{
    BERTH_EACH_BACKEND(which);
    bool seen = false;
    for (int i = 0; i < 50 && !seen; ++i) {
        port_lease lease = berth::find_unused_port({.backend = which});
        const auto before = lease.port();
        lease = berth::find_unused_port({.backend = which});
        seen = is_free(before); // unless another process was given it meanwhile
    }
    CHECK(seen);
}

TEST_CASE("a released port is free at once, and the lease is empty", "[os]")
{
    BERTH_EACH_BACKEND(which);
    bool seen = false;
    for (int i = 0; i < 50 && !seen; ++i) {
        port_lease lease = berth::find_unused_port({.backend = which});
        const auto port = lease.port();
        REQUIRE(lease.release() == port);
        check_empty(lease);
        seen = is_free(port);
    }
    CHECK(seen);
}

TEST_CASE("open() and seal() change at once who may come in", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    port_lease lease =
        berth::find_unused_port({.mode = lease_mode::sealed, .backend = which});
    const tcp::endpoint endpoint(address_v4::loopback(), lease.port());
    CHECK_THROWS(tcp::acceptor(context, endpoint));

    lease.open();
    CHECK(lease.mode() == lease_mode::open);
    CHECK_NOTHROW(tcp::acceptor(context, endpoint));
    lease.open();
    CHECK_NOTHROW(tcp::acceptor(context, endpoint));

    lease.seal();
    CHECK(lease.mode() == lease_mode::sealed);
    CHECK_THROWS(tcp::acceptor(context, endpoint));
}

TEST_CASE("a server stays when the lease is sealed or given back behind it", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    port_lease lease = berth::find_unused_port({.backend = which});
    tcp::acceptor server(context, tcp::endpoint(address_v4::loopback(), lease.port()));
    lease.seal();
    CHECK(connect_through(server, address_v4::loopback()).first.is_open());
    lease.release();
    CHECK(connect_through(server, address_v4::loopback()).first.is_open());
}

TEST_CASE("the holder itself becomes the acceptor", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto mode = GENERATE(lease_mode::open, lease_mode::sealed);
    asio::io_context context;
    port_lease lease = berth::find_unused_port({.mode = mode, .backend = which});
    const auto port = lease.port();
    tcp::acceptor acceptor = std::move(lease).listen(context.get_executor());
    CHECK(!lease); // NOLINT(bugprone-use-after-move): what is promised
    CHECK(acceptor.local_endpoint().port() == port);
    CHECK(connect_through(acceptor, address_v4::loopback()).first.is_open());
    CHECK(connect_through(acceptor, address_v6::loopback()).first.is_open());
    CHECK_THROWS(tcp::acceptor(context, tcp::endpoint(address_v4::loopback(), port)));
    CHECK(!is_free(port));
}

TEST_CASE("a lease on an IPv4 address becomes an IPv4 acceptor", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    tcp::acceptor acceptor =
        berth::find_unused_port({.addresses = address_v4::loopback(), .backend = which})
            .listen(context.get_executor());
    CHECK(acceptor.local_endpoint().address() == address_v4::loopback());
    CHECK(connect_through(acceptor, address_v4::loopback()).first.is_open());
}

TEST_CASE("where a server has the port already, listen() fails and changes nothing",
          "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    port_lease lease = berth::find_unused_port({.backend = which});
    const auto port = lease.port();
    {
        tcp::acceptor server(context, tcp::endpoint(address_v4::loopback(), port));
        std::error_code ec;
        CHECK(!std::move(lease).listen(context.get_executor(), 5, ec).is_open());
        CHECK(ec == std::errc::address_in_use);
        CHECK(connect_through(server, address_v4::loopback()).first.is_open());
    }
    CHECK(lease.port() == port); // NOLINT(bugprone-use-after-move): what is promised
    CHECK(lease.mode() == lease_mode::open);
    CHECK(!is_free(port));
    CHECK_NOTHROW(tcp::acceptor(context, tcp::endpoint(address_v4::loopback(), port)));
}

TEST_CASE("an acceptor from listen() may outlive everything else of berth's", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::io_context context;
    auto lease =
        std::make_unique<port_lease>(berth::find_unused_port({.backend = which}));
    tcp::acceptor acceptor = std::move(*lease).listen(context.get_executor());
    lease.reset();
    CHECK(connect_through(acceptor, address_v4::loopback()).first.is_open());
    const auto port = acceptor.local_endpoint().port();
    acceptor.close();
    // Nothing of the lease's holds the port behind the acceptor's back.
    const auto again = bind_plainly<tcp>(address_v4::any(), port);
    CHECK((!again || again == std::errc::address_in_use));
}
