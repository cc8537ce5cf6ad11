// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "platform.hpp"
#include "process.hpp"
#include "sockets.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <windows.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <sstream>

// The table of what is promised on Windows, row by row, put to the test by another process.

using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::tcp;
using berth::lease_mode;
using berth::port_range;
using berth::transports;
using namespace berth::testing;
using namespace std::chrono_literals;

namespace {

/// What another process hears who binds the port, by its claim.
std::array<std::string, every_claim.size()>
answers_to(process& other, const std::string& address, std::uint16_t port)
{
    other.say(address + ' ' + std::to_string(port));
    std::istringstream line(other.hear());
    std::array<std::string, every_claim.size()> answers;
    for (std::string& answer : answers)
        line >> answer;
    return answers;
}

/// Another process cannot bind the port, whatever it claims.
void check_kept(process& thief, const std::string& address, std::uint16_t port)
{
    INFO("theft on " << address);
    const auto answers = answers_to(thief, address, port);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        INFO("with " << to_string(every_claim[i]) << ": " << answers[i]);
        CHECK((answers[i] == "INUSE" || answers[i] == "ACCESS"));
    }
}

/// Another process can bind the port on every address, whatever it claims.
bool is_free_for(process& other, std::uint16_t port)
{
    return std::ranges::all_of(every_address, [&](const char* address) {
        const auto answers = answers_to(other, address, port);
        return std::ranges::all_of(answers,
                                   [](const auto& said) { return said == "ok"; });
    });
}

DWORD open_handles()
{
    DWORD count = 0;
    ::GetProcessHandleCount(::GetCurrentProcess(), &count);
    return count;
}

} // namespace

TEST_CASE("nobody binds the port of a lease, on any address, with any option",
          "[windows]")
{
    const auto lease = berth::find_unused_port();
    process thief("steal");
    for (const char* const address : every_address)
        check_kept(thief, address, lease.port());
}

TEST_CASE("nobody binds the port of a lease on UDP, on any address, with any option",
          "[windows]")
{
    const auto lease = berth::find_unused_port({.transports = transports::udp});
    process thief("steal_udp");
    for (const char* const address : every_address)
        check_kept(thief, address, lease.port());
}

TEST_CASE("nobody binds the port of a lease on both transports in either", "[windows]")
{
    const auto lease = berth::find_unused_port({.transports = transports::both});
    process tcp_thief("steal");
    process udp_thief("steal_udp");
    for (const char* const address : every_address) {
        check_kept(tcp_thief, address, lease.port());
        check_kept(udp_thief, address, lease.port());
    }
}

TEST_CASE("the number of a lease that was released is free for everybody", "[windows]")
{
    const auto wanted = GENERATE(transports::tcp, transports::udp, transports::both);
    process on_tcp("steal");
    process on_udp("steal_udp");
    bool freed = false;
    // Unless another process was given it meanwhile.
    for (int attempt = 0; attempt < 10 && !freed; ++attempt) {
        const auto port = berth::find_unused_port({.transports = wanted}).release();
        freed = (wanted == transports::udp || is_free_for(on_tcp, port)) &&
                (wanted == transports::tcp || is_free_for(on_udp, port));
    }
    CHECK(freed);
}

TEST_CASE("nobody binds address and port of an acceptor", "[windows]")
{
    asio::io_context context;
    process thief("steal");
    const auto loopback = berth::bind_ephemeral(context.get_executor());
    check_kept(thief, "127.0.0.1", loopback.local_endpoint().port());
    const auto everywhere =
        berth::bind_ephemeral(context.get_executor(), {.address = address_v6::any()});
    for (const char* const address : every_address)
        check_kept(thief, address, everywhere.local_endpoint().port());
}

TEST_CASE("nobody binds address and port of a socket of one's own", "[windows]")
{
    asio::io_context context;
    tcp::acceptor own(context, tcp::v4());
    const auto port = berth::bind_ephemeral(own, address_v4::loopback());
    own.listen();
    process thief("steal");
    check_kept(thief, "127.0.0.1", port);
}

TEST_CASE("nobody binds the port of a lease that has become an acceptor", "[windows]")
{
    asio::io_context context;
    const tcp::acceptor acceptor =
        berth::find_unused_port().listen(context.get_executor());
    process thief("steal");
    for (const char* const address : every_address)
        check_kept(thief, address, acceptor.local_endpoint().port());
}

TEST_CASE("bind() to port 0 in another process never gets a leased port", "[windows]")
{
    std::vector<berth::port_lease> leases;
    std::set<std::uint16_t> leased;
    while (leases.size() < 100) {
        leases.push_back(berth::find_unused_port());
        leased.insert(leases.back().port());
    }
    process crowd("crowd");
    crowd.say("500");
    std::istringstream ports(crowd.hear());
    std::size_t count = 0;
    for (std::uint16_t port = 0; ports >> port; ++count)
        CHECK(leased.count(port) == 0);
    CHECK(count == 500);
}

TEST_CASE("every lease is sealed, and stays so", "[windows]")
{
    auto lease = berth::find_unused_port({.mode = lease_mode::open});
    CHECK(lease.mode() == lease_mode::sealed);
    std::error_code ec;
    lease.open(ec);
    CHECK(ec == std::errc::not_supported);
    CHECK_THROWS_AS(lease.open(), std::system_error);
    CHECK(lease.mode() == lease_mode::sealed);
    lease.seal(ec);
    CHECK(!ec);
}

TEST_CASE("a server without options starts on a released number", "[windows]")
{
    std::string said;
    for (int attempt = 0; attempt < 10 && said != "ok"; ++attempt) {
        stranger server("0.0.0.0", claim::nothing);
        said = server.bind(berth::find_unused_port().release());
        if (said == "ok")
            CHECK(server.listen() == "ok");
    }
    CHECK(said == "ok");
}

TEST_CASE("an acceptor on one address does not come between a server and its clients",
          "[windows]")
{
    // An exclusive bind on 127.0.0.1 would succeed beside a server on the wildcard.
    stranger server("0.0.0.0", claim::nothing);
    REQUIRE(server.bind(0) == "ok");
    REQUIRE(server.listen() == "ok");
    asio::io_context context;
    std::error_code ec;
    const auto acceptor = berth::bind_ephemeral(
        context.get_executor(), {.ports = port_range{server.port(), server.port()}}, ec);
    CHECK(ec == berth::error::ports_exhausted);
    CHECK(!acceptor.is_open());
}

TEST_CASE("programs that are started do not inherit berth's sockets", "[windows]")
{
    asio::io_context context;
    bool lease_free = false;
    bool acceptor_free = false;
    for (int attempt = 0; attempt < 10 && !(lease_free && acceptor_free); ++attempt) {
        auto lease = berth::find_unused_port();
        auto acceptor = berth::bind_ephemeral(context.get_executor());
        const auto port = acceptor.local_endpoint().port();
        process heir("idle");
        REQUIRE(heir.hear() == "here");
        acceptor.close();
        // Unless another process was given them meanwhile.
        lease_free = is_free(lease.release());
        acceptor_free = is_free(port);
    }
    CHECK(lease_free);
    CHECK(acceptor_free);
}

TEST_CASE("programs that are started do inherit Asio's sockets, and their ports",
          "[windows]")
{
    stranger asios("127.0.0.1", claim::exclusive);
    REQUIRE(asios.bind(0) == "ok");
    const auto port = asios.port();
    process heir("idle");
    REQUIRE(heir.hear() == "here");
    asios.acceptor().close();
    CHECK(!is_free(port));
}

TEST_CASE("no handle is left open, neither on success nor on an error", "[windows]")
{
    asio::io_context context;
    const auto ex = context.get_executor();
    const auto blocker = berth::find_unused_port();
    const port_range taken{blocker.port(), blocker.port()};
    const port_range beside_taken{std::uint16_t(blocker.port() - 1), blocker.port()};
    const auto nobodys = asio::ip::make_address("192.0.2.1");
    const auto use_all = [&] {
        std::error_code ec;
        (void)berth::find_unused_port().listen(ex);
        (void)berth::find_unused_port({.ports = taken}, ec);
        (void)berth::find_unused_port({.addresses = nobodys}, ec);
        (void)berth::bind_ephemeral(ex, {.ports = taken}, ec);
        (void)berth::bind_ephemeral<asio::ip::udp>(ex);
        (void)berth::find_unused_port({.transports = transports::both}).listen(ex);
        (void)berth::find_unused_port(
            {.transports = transports::both, .ports = taken, .wait = 1ms}, ec);
        (void)berth::find_unused_port(
            {.addresses = {address_v4::loopback(), address_v6::loopback()},
             .transports = transports::both});
        (void)berth::find_unused_ports(berth::port_pattern::block(2),
                                       {.ports = beside_taken}, ec);
        (void)berth::find_unused_ports(2, {.addresses = nobodys}, ec);
    };
    use_all();
    const DWORD before = open_handles();
    for (int i = 0; i < 50; ++i)
        use_all();
    CHECK(open_handles() <= before + 5);
}
