// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "process.hpp"
#include "stranger.hpp"

#include <berth/bind_ephemeral.hpp>
#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>

#include <asio/io_context.hpp>
#include <asio/write.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

// The table of what a lease promises, row by row, put to the test by other processes.

using asio::ip::address_v4;
using berth::lease_mode;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;

namespace {

/// Where a lease is held, and which addresses of the host that covers.
struct place {
    std::string name;
    berth::address_list held;
    std::vector<std::string> covered;
};

std::vector<place> every_place()
{
    const auto here = host_addresses();
    const auto that_exist = [&](std::vector<std::string> addresses) {
        std::erase_if(addresses, [&](const std::string& address) {
            return std::ranges::find(here, address) == here.end();
        });
        return addresses;
    };
    std::vector<place> all = {
        {"every address", {}, here},
        {"127.0.0.1", address_v4::loopback(), that_exist({"127.0.0.1", "0.0.0.0", "::"})},
    };
    if (!that_exist({"::1"}).empty())
        all.push_back({"::1", asio::ip::address_v6::loopback(), {"::1", "::"}});
    else
        note_skip("no IPv6 on this host: nothing is held on ::1");
    return all;
}

port_lease lease_at(const place& where, lease_mode mode, berth::backend which)
{
    return berth::find_unused_port(
        {.addresses = where.held, .mode = mode, .backend = which});
}

/// What a server sets that an open lease lets in.
constexpr std::array reusing = {reuse::address, reuse::port, reuse::both};

constexpr port_range narrow = {40000, 40007};
constexpr std::uint16_t outside = 50000;

std::set<std::uint16_t> all_of(port_range range)
{
    std::set<std::uint16_t> all;
    for (std::uint16_t port = range.first; port <= range.last; ++port)
        all.insert(port);
    return all;
}

std::set<std::uint16_t> all_but(port_range range, std::uint16_t port)
{
    auto all = all_of(range);
    all.erase(port);
    return all;
}

std::string written(const std::set<std::uint16_t>& ports)
{
    std::string text;
    for (const std::uint16_t port : ports)
        text += ' ' + std::to_string(port);
    return text;
}

void expect_ports(const std::set<std::uint16_t>& got,
                  const std::set<std::uint16_t>& wanted, const std::string& how)
{
    expect_equal(written(got), written(wanted), how);
}

/// Nobody binds the port, whatever options and covered address they choose.
void expect_kept_from_all(const std::vector<std::string>& covered, std::uint16_t port)
{
    for (const std::string& address : covered)
        for (const reuse options : every_reuse)
            expect_equal(try_bind(address, port, options), "EADDRINUSE",
                         "bind() to " + address + " with " + to_string(options));
}

} // namespace

#define BERTH_EACH_PLACE(where, which)                                                   \
    const place where = GENERATE(from_range(every_place()));                             \
    BERTH_EACH_BACKEND(which);                                                           \
    INFO("lease on " << where.name)

#define BERTH_EACH_LEASE(where, mode, which)                                             \
    const place where = GENERATE(from_range(every_place()));                             \
    const lease_mode mode = GENERATE(lease_mode::open, lease_mode::sealed);              \
    BERTH_EACH_BACKEND(which);                                                           \
    INFO((mode == lease_mode::open ? "open" : "sealed") << " lease on " << where.name)

// --- those who take what they are given ------------------------------------------------

TEST_CASE("bind() to port 0 never gets a leased port, but every other",
          "[linux][promise]")
{
    BERTH_EACH_LEASE(where, mode, which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        for (const std::string& address : where.covered)
            for (const reuse options : every_reuse)
                expect_ports(exhaust_by_bind(address, options), all_of(narrow),
                             "no lease, " + address + ", " + to_string(options));

        const port_lease lease = lease_at(where, mode, which);
        elsewhere([&] {
            for (const std::string& address : where.covered)
                for (const reuse options : every_reuse)
                    expect_ports(exhaust_by_bind(address, options),
                                 all_but(narrow, lease.port()),
                                 address + ", " + to_string(options));
        });
    }));
}

TEST_CASE("connect() never gets a leased port as its source, but every other",
          "[linux][promise]")
{
    BERTH_EACH_LEASE(where, mode, which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const auto expect_given = [&](const std::set<std::uint16_t>& ports) {
            elsewhere([&] {
                for (const std::string& address : host_addresses()) {
                    if (address == "0.0.0.0" || address == "::")
                        continue;
                    const stranger listener(address);
                    expect_equal(listener.bind(outside), "ok", "bind()");
                    expect_equal(listener.listen(), "ok", "listen()");
                    for (const reuse options : every_reuse)
                        for (const bool bind_address_first : {false, true})
                            expect_ports(exhaust_by_connect(address, outside, options,
                                                            bind_address_first),
                                         ports, address + ", " + to_string(options));
                }
            });
        };
        expect_given(all_of(narrow));
        const port_lease lease = lease_at(where, mode, which);
        expect_given(all_but(narrow, lease.port()));
    }));
}

TEST_CASE("nobody is given a leased port when servers have come and gone on it",
          "[linux][promise]")
{
    BERTH_EACH_LEASE(where, mode, which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const std::string address = where.covered[0];
        for (const reuse options : reusing) {
            port_lease lease = lease_at(where, lease_mode::open, which);
            foreign_server server(address, lease.port(), options);
            expect_equal(server.start(), "ok", to_string(options));
            expect_equal(ask(address, lease.port()), server.secret(), "a client");
            server.stop();
            if (mode == lease_mode::sealed)
                lease.seal();
            elsewhere([&] {
                for (const reuse late : every_reuse)
                    expect_ports(exhaust_by_bind(address, late),
                                 all_but(narrow, lease.port()), "bind()");
                const stranger listener(address);
                expect_equal(listener.bind(outside), "ok", "bind()");
                expect_equal(listener.listen(), "ok", "listen()");
                expect_ports(exhaust_by_connect(address, outside, reuse::nothing, false),
                             all_but(narrow, lease.port()), "connect()");
            });
        }
    }));
}

TEST_CASE("no other process is given a leased port by berth", "[linux][promise]")
{
    BERTH_EACH_LEASE(where, mode, which);
    const port_lease lease = lease_at(where, mode, which);
    const port_range only_it = {lease.port(), lease.port()};
    BERTH_PASSES(in_process([&] {
        need(which);
        asio::io_context context;
        for (const std::string& address : where.covered) {
            const auto at = asio::ip::make_address(address);
            std::error_code ec;
            auto other = berth::find_unused_port(
                {.addresses = at, .ports = only_it, .backend = which}, ec);
            expect(ec == berth::error::ports_exhausted, "a lease on " + address);
            auto bound = berth::bind_ephemeral(
                context.get_executor(),
                {.address = at, .ports = only_it, .backend = which}, ec);
            expect(ec == berth::error::ports_exhausted, "an acceptor on " + address);
        }
    }));
}

TEST_CASE("other processes are given by berth every port but the leased one",
          "[linux][promise]")
{
    BERTH_EACH_LEASE(where, mode, which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const port_lease lease = lease_at(where, mode, which);
        const auto wanted = all_but(narrow, lease.port());
        elsewhere([&] {
            asio::io_context context;
            std::vector<port_lease> leases;
            std::vector<asio::ip::tcp::acceptor> acceptors;
            std::set<std::uint16_t> ports;
            std::error_code ec;
            for (int i = 0; i < narrow.size() && !ec; ++i) {
                if (i % 2 == 0) {
                    leases.push_back(berth::find_unused_port({.backend = which}, ec));
                    ports.insert(leases.back().port());
                } else {
                    acceptors.push_back(berth::bind_ephemeral(
                        context.get_executor(),
                        {.address = asio::ip::make_address(where.covered[0]),
                         .backend = which},
                        ec));
                    if (!ec)
                        ports.insert(acceptors.back().local_endpoint().port());
                }
            }
            ports.erase(0);
            expect(ec == berth::error::ports_exhausted, "the last one is refused");
            expect_ports(ports, wanted, "what berth gives");
        });
    }));
}

// --- servers ---------------------------------------------------------------------------

TEST_CASE("a sealed lease keeps every server out", "[linux][promise]")
{
    BERTH_EACH_PLACE(where, which);
    const port_lease lease = lease_at(where, lease_mode::sealed, which);
    std::vector<foreign_server::user> users = {foreign_server::user::same};
    if (can_change_user())
        users.push_back(foreign_server::user::other);
    else
        note_skip("only root can be another user");
    for (const auto user : users)
        for (const std::string& address : where.covered)
            for (const reuse options : every_reuse) {
                INFO(address << ", " << to_string(options));
                CHECK(foreign_server(address, lease.port(), options, user).start() ==
                      "bind: EADDRINUSE");
            }
}

TEST_CASE("an open lease lets a reusing server in, and clients reach it and only it",
          "[linux][promise]")
{
    BERTH_EACH_PLACE(where, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (const std::string& address : where.covered)
            for (const reuse options : reusing) {
                const std::string what = address + ", " + to_string(options);
                port_lease lease = lease_at(where, lease_mode::open, which);
                const auto port = lease.port();
                const foreign_server server(address, port, options);
                expect_equal(server.start(), "ok", what);
                const auto expect_reached = [&](const std::string& when) {
                    for (int i = 0; i < 8; ++i)
                        for (const std::string& way : ways_to(address))
                            expect_equal(ask(way, port), server.secret(), what + when);
                };
                expect_reached(", leased");
                lease.seal();
                expect_reached(", sealed");
                lease.open();
                expect_reached(", open again");
                lease.release();
                expect_reached(", given back");
            }
    }));
}

TEST_CASE("an open lease lets a server of another user in with SO_REUSEADDR only",
          "[linux][promise]")
{
    if (!can_change_user())
        BERTH_SKIP("only root can be another user");
    BERTH_EACH_PLACE(where, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const auto other = foreign_server::user::other;
        for (const std::string& address : where.covered) {
            const port_lease lease = lease_at(where, lease_mode::open, which);
            for (const reuse options : {reuse::nothing, reuse::port})
                expect_equal(
                    foreign_server(address, lease.port(), options, other).start(),
                    "bind: EADDRINUSE", address + ", " + to_string(options));
            for (const reuse options : {reuse::address, reuse::both}) {
                const foreign_server server(address, lease.port(), options, other);
                expect_equal(server.start(), "ok", address + ", " + to_string(options));
                expect_equal(ask(ways_to(address)[0], lease.port()), server.secret(),
                             "what a client is told");
            }
        }
    }));
}

TEST_CASE("a second listener is refused, unless both set SO_REUSEPORT",
          "[linux][promise]")
{
    BERTH_EACH_PLACE(where, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const auto has_port = [](reuse options) {
            return options == reuse::port || options == reuse::both;
        };
        const std::string address = where.covered[0];
        for (const reuse first : reusing)
            for (const reuse second : every_reuse) {
                const std::string what =
                    "first " + to_string(first) + ", second " + to_string(second);
                const port_lease lease = lease_at(where, lease_mode::open, which);
                const foreign_server one(address, lease.port(), first);
                expect_equal(one.start(), "ok", what);
                const foreign_server two(address, lease.port(), second);
                const std::string said = ask(address, lease.port());
                if (has_port(first) && has_port(second)) {
                    expect_equal(two.start(), "ok", what);
                    expect(said == one.secret() || said == two.secret(), what);
                } else {
                    expect_equal(two.start(), "bind: EADDRINUSE", what);
                    expect_equal(said, one.secret(), what);
                }
            }
    }));
}

TEST_CASE("of two servers that have bound an open lease only one can listen",
          "[linux][promise]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const port_lease lease = berth::find_unused_port({.backend = which});
        const stranger one("127.0.0.1", reuse::address);
        expect_equal(one.bind(lease.port()), "ok", "the first bind()");
        elsewhere([&] {
            const stranger two("127.0.0.1", reuse::address);
            expect_equal(two.bind(lease.port()), "ok", "the second bind()");
            expect_equal(one.listen(), "ok", "the first listen()");
            expect_equal(two.listen(), "EADDRINUSE", "the second listen()");
        });
    }));
}

TEST_CASE("a server that sets no option is refused until the port is given back",
          "[linux][promise]")
{
    BERTH_EACH_LEASE(where, mode, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (const std::string& address : where.covered) {
            port_lease lease = lease_at(where, mode, which);
            expect_equal(foreign_server(address, lease.port(), reuse::nothing).start(),
                         "bind: EADDRINUSE", address);
            const auto port = lease.release();
            const foreign_server server(address, port, reuse::nothing);
            expect_equal(server.start(), "ok", address);
            expect_equal(ask(ways_to(address)[0], port), server.secret(),
                         "what a client is told");
        }
    }));
}

TEST_CASE("open() and seal() decide at once who may come, and a server stays",
          "[linux][promise]")
{
    BERTH_EACH_PLACE(where, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (const std::string& address : where.covered)
            for (const reuse options : reusing) {
                const std::string what = address + ", " + to_string(options);
                const std::string way = ways_to(address)[0];
                port_lease lease = lease_at(where, lease_mode::sealed, which);
                const auto port = lease.port();
                const auto expect_refused = [&](const std::vector<reuse>& late) {
                    elsewhere([&] {
                        for (const reuse one : late)
                            expect_equal(try_bind(address, port, one), "EADDRINUSE",
                                         what + ", then " + to_string(one));
                    });
                };
                expect_refused({every_reuse.begin(), every_reuse.end()});
                lease.open();
                expect(lease.mode() == lease_mode::open, "the mode is open");
                foreign_server server(address, port, options);
                expect_equal(server.start(), "ok", what);
                lease.seal();
                expect(lease.mode() == lease_mode::sealed, "the mode is sealed");
                expect_refused({reuse::nothing, reuse::address});
                expect_equal(ask(way, port), server.secret(), what);
                server.stop();
                expect_equal(ask(way, port), "ECONNREFUSED", what);
                expect_refused({reuse::nothing, reuse::address});
            }
    }));
}

TEST_CASE("once sealed again a lease keeps everybody out, if no server with SO_REUSEPORT "
          "was there",
          "[linux][promise]")
{
    BERTH_EACH_PLACE(where, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (const std::string& address : where.covered) {
            port_lease lease = lease_at(where, lease_mode::open, which);
            foreign_server server(address, lease.port(), reuse::address);
            expect_equal(server.start(), "ok", address);
            server.stop();
            lease.seal();
            elsewhere([&] { expect_kept_from_all(where.covered, lease.port()); });
        }
    }));
}

TEST_CASE(
    "once sealed again a lease keeps servers of another user out, whoever was there",
    "[linux][promise]")
{
    if (!can_change_user())
        BERTH_SKIP("only root can be another user");
    BERTH_EACH_PLACE(where, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (const std::string& address : where.covered)
            for (const reuse options : reusing) {
                port_lease lease = lease_at(where, lease_mode::open, which);
                foreign_server server(address, lease.port(), options);
                expect_equal(server.start(), "ok", address + ", " + to_string(options));
                server.stop();
                lease.seal();
                elsewhere([&] {
                    become_ordinary();
                    expect_kept_from_all(where.covered, lease.port());
                });
            }
    }));
}

TEST_CASE("a lease on one address says nothing of the others", "[linux][promise]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const port_lease lease =
            berth::find_unused_port({.addresses = address_v4::loopback(),
                                     .mode = lease_mode::sealed,
                                     .backend = which});
        elsewhere([&] {
            expect_equal(try_bind("127.0.0.2", lease.port(), reuse::nothing), "ok",
                         "bind() to 127.0.0.2");
            const auto here = host_addresses();
            if (std::ranges::find(here, "::1") != here.end())
                expect_equal(try_bind("::1", lease.port(), reuse::nothing), "ok",
                             "bind() to ::1");
        });
    }));
}

// --- clients ---------------------------------------------------------------------------

TEST_CASE("clients that come before the server are refused and never meet themselves",
          "[linux][promise]")
{
    BERTH_EACH_LEASE(where, mode, which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const std::string to = where.covered[0];
        // What happens to a port that nobody holds, so that this test can fail.
        bool met = false;
        for (int i = 0; i < 20'000 && !met; ++i)
            met = try_connect(to, narrow.first) == "ok";
        expect(met, "a client meets itself at a port that nobody holds");

        const port_lease lease = lease_at(where, mode, which);
        elsewhere([&] {
            for (const std::string& address : where.covered)
                for (int i = 0; i < 2'000; ++i)
                    expect_equal(try_connect(ways_to(address)[0], lease.port()),
                                 "ECONNREFUSED", "a client");
        });
    }));
}

TEST_CASE("a dead port refuses every client and every server while it lives",
          "[linux][promise]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        asio::io_context context;
        auto dead = berth::bind_ephemeral(context.get_executor(),
                                          {.listen = false, .backend = which});
        const auto port = dead.local_endpoint().port();
        std::vector<std::string> covered = host_addresses();
        std::erase(covered, "::1");
        elsewhere([&] {
            expect_kept_from_all(covered, port);
            for (const std::string& address : covered)
                for (const reuse options : every_reuse)
                    expect_ports(exhaust_by_bind(address, options), all_but(narrow, port),
                                 address + ", " + to_string(options));
            for (int i = 0; i < 2'000; ++i)
                expect_equal(try_connect("127.0.0.1", port), "ECONNREFUSED", "a client");
            const stranger listener("127.0.0.1");
            expect_equal(listener.bind(outside), "ok", "bind()");
            expect_equal(listener.listen(), "ok", "listen()");
            expect_ports(exhaust_by_connect("127.0.0.1", outside, reuse::nothing, false),
                         all_but(narrow, port), "connect()");
        });
        dead.close();
        elsewhere([&] {
            expect_equal(try_bind("127.0.0.1", port, reuse::nothing), "ok",
                         "once it is closed");
        });
    }));
}

// --- the lease that becomes the server -------------------------------------------------

TEST_CASE("an acceptor made of a lease accepts, and nobody can join it",
          "[linux][promise]")
{
    BERTH_EACH_LEASE(where, mode, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        asio::io_context context;
        port_lease lease = lease_at(where, mode, which);
        const auto port = lease.port();
        auto acceptor = std::move(lease).listen(context.get_executor());
        expect_equal(acceptor.local_endpoint().port(), port, "the acceptor's port");
        elsewhere([&] { expect_kept_from_all(where.covered, port); });
        const auto ways = !where.held.empty()
                              ? std::vector{where.held.begin()->to_string()}
                              : ways_to(where.covered.back());
        for (const std::string& way : ways) {
            child client([&](channel& to) { to.say(ask(way, port)); });
            auto connection = acceptor.accept();
            asio::write(connection, asio::buffer(std::string("hello\n")));
            expect_equal(client.line().hear(), "hello", "a client through " + way);
        }
    }));
}

TEST_CASE("nobody can join an acceptor made of a lease that had a server before",
          "[linux][promise]")
{
    BERTH_EACH_PLACE(where, which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        asio::io_context context;
        for (const std::string& address : where.covered)
            for (const reuse options : reusing) {
                port_lease lease = lease_at(where, lease_mode::open, which);
                const auto port = lease.port();
                foreign_server server(address, port, options);
                expect_equal(server.start(), "ok", address + ", " + to_string(options));
                server.stop();
                const auto acceptor = std::move(lease).listen(context.get_executor());
                elsewhere([&] { expect_kept_from_all(where.covered, port); });
            }
    }));
}

TEST_CASE("where a foreign server listens already, listen() fails and the lease stays",
          "[linux][promise]")
{
    const place where = GENERATE(from_range(every_place()));
    BERTH_EACH_BACKEND(which);
    const lease_mode mode = GENERATE(lease_mode::open, lease_mode::sealed);
    INFO("lease on " << where.name);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        asio::io_context context;
        const std::string address = where.covered[0];
        for (const reuse options : reusing) {
            const std::string what = to_string(options);
            port_lease lease = lease_at(where, lease_mode::open, which);
            const auto port = lease.port();
            foreign_server server(address, port, options);
            expect_equal(server.start(), "ok", what);
            if (mode == lease_mode::sealed)
                lease.seal();

            std::error_code ec;
            const auto none = std::move(lease).listen(context.get_executor(), 16, ec);
            expect(!none.is_open(), "no acceptor, " + what);
            expect(ec == std::errc::address_in_use, "the error: " + ec.message());
            expect(lease.valid(), "the lease is valid, " + what);
            expect_equal(lease.port(), port, "the port");
            expect(lease.mode() == mode, "the mode is as before, " + what);
            expect_equal(ask(address, port), server.secret(), what);

            server.stop();
            expect_equal(ask(address, port), "ECONNREFUSED", what);
            elsewhere([&] {
                expect_equal(try_bind(address, port, reuse::nothing), "EADDRINUSE",
                             "a server without options");
                expect_equal(try_bind(address, port, reuse::address),
                             mode == lease_mode::open ? "ok" : "EADDRINUSE",
                             "a server with SO_REUSEADDR");
            });
            expect(std::move(lease).listen(context.get_executor()).is_open(),
                   "it listens when the server is gone, " + what);
        }
    }));
}

// --- programs that are started ---------------------------------------------------------

namespace {

/// The descriptors, as links in /proc, that a program started here finds.
std::vector<std::string> inherited_by_programs()
{
    int pipe[2] = {};
    if (::pipe2(pipe, O_CLOEXEC) != 0)
        throw std::runtime_error("pipe2");
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(pipe[1], STDOUT_FILENO);
        ::execlp("ls", "ls", "-l", "/proc/self/fd", static_cast<char*>(nullptr));
        ::_exit(127);
    }
    ::close(pipe[1]);
    std::string all;
    for (char one = 0; ::read(pipe[0], &one, 1) == 1;)
        all += one;
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
        throw not_possible_here("no program ls");

    std::vector<std::string> links;
    std::istringstream lines(all);
    for (std::string line; std::getline(lines, line);)
        if (const auto arrow = line.find("-> "); arrow != std::string::npos)
            links.push_back(line.substr(arrow + 3));
    return links;
}

std::ptrdiff_t count_of_ours(const std::vector<std::string>& links)
{
    return std::ranges::count_if(links, [](const std::string& link) {
        return link.find("socket:") != std::string::npos ||
               link.find("io_uring") != std::string::npos;
    });
}

} // namespace

TEST_CASE("programs that are started inherit no lease, no acceptor and no ring",
          "[linux][promise]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_process([&] {
        const auto before = count_of_ours(inherited_by_programs());
        const int visible = ::socket(AF_INET, SOCK_STREAM, 0);
        expect_equal(count_of_ours(inherited_by_programs()), before + 1,
                     "an inherited socket is seen");
        ::close(visible);

        need(which);
        asio::io_context context;
        const auto ex = context.get_executor();
        const port_lease open = berth::find_unused_port({.backend = which});
        const port_lease sealed =
            berth::find_unused_port({.mode = lease_mode::sealed, .backend = which});
        const auto acceptor = berth::bind_ephemeral(ex, {.backend = which});
        const auto dead = berth::bind_ephemeral(ex, {.listen = false, .backend = which});
        const auto udp = berth::bind_ephemeral<asio::ip::udp>(ex, {.backend = which});
        const auto listening = berth::find_unused_port({.backend = which}).listen(ex);
        expect_equal(count_of_ours(inherited_by_programs()), before,
                     "what a program inherits");
    }));
}
