// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "descriptors.hpp"
#include "leases.hpp"
#include "process.hpp"
#include "sockets.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <vector>

// Where descriptors, ports or permissions run out: the system's error, nothing leaked.

using asio::ip::tcp;
using asio::ip::udp;
using berth::backend;
using berth::find_options;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;

namespace {

constexpr port_range narrow = {44000, 44031};

/// What must be the same before and after.
class account {
public:
    account() : descriptors_(open_descriptors()), ports_(free_ports()) {}

    void expect_unchanged(const std::string& after) const
    {
        expect_equal(open_descriptors(), descriptors_, "descriptors after " + after);
        expect(free_ports() == ports_, "the same ports are free after " + after);
    }

private:
    static std::set<std::uint16_t> free_ports()
    {
        return exhaust_by_bind("0.0.0.0", reuse::nothing);
    }

    std::size_t descriptors_;
    std::set<std::uint16_t> ports_;
};

/// A context that has opened what it needs for sockets, lest that be taken for a leak.
class ready_context : public asio::io_context {
public:
    ready_context() { const tcp::socket first(*this, tcp::v4()); }
};

std::string name(const std::error_code& ec)
{
    return ec.message() + " (" + ec.category().name() + ')';
}

/// Opens the back end, so that what it keeps for good is not taken for a leak.
void warm_up(backend which)
{
    need(which);
    (void)find_batch(16, {.backend = which});
}

/// Allows as many descriptors as this user may have, and returns their number.
rlim_t allow_descriptors()
{
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        throw std::runtime_error("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
        throw std::runtime_error("setrlimit");
    return limit.rlim_cur;
}

/// So many descriptors may be open at least.
void need_descriptors(rlim_t wanted)
{
    if (allow_descriptors() < wanted)
        throw not_possible_here(std::to_string(wanted) + " descriptors are not allowed");
}

} // namespace

// --- descriptors -----------------------------------------------------------------------

TEST_CASE("without a descriptor to be had the error is EMFILE, and nothing is leaked",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        ready_context context;
        const auto ex = context.get_executor();
        const account before;
        port_lease held = berth::find_unused_port({.backend = which});
        {
            const full_table full(0);
            std::error_code ec;
            // More often than there are ports.
            for (int i = 0; i < 100; ++i) {
                const auto acceptor = berth::bind_ephemeral(ex, {.backend = which}, ec);
                expect(ec == std::errc::too_many_files_open, "an acceptor: " + name(ec));
                expect(!acceptor.is_open(), "no acceptor");
                const auto dead =
                    berth::bind_ephemeral(ex, {.listen = false, .backend = which}, ec);
                expect(ec == std::errc::too_many_files_open, "a dead port: " + name(ec));
                const auto socket =
                    berth::bind_ephemeral<udp>(ex, {.backend = which}, ec);
                expect(ec == std::errc::too_many_files_open, "a UDP socket: " + name(ec));

                const port_lease lease = berth::find_unused_port({.backend = which}, ec);
                expect(ec == std::errc::too_many_files_open, "a lease: " + name(ec));
            }
            const auto made = std::move(held).listen(ex);
            expect(made.is_open(), "listen() needs no descriptor");
        }
        before.expect_unchanged("EMFILE");
        expect(berth::bind_ephemeral(ex, {.backend = which}).is_open(),
               "it works when there are descriptors again");
    }));
}

TEST_CASE("of a batch as many are granted as there are descriptors", "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        ready_context context;
        const account before;
        std::vector<tcp::acceptor> granted;
        int refused = 0;
        {
            const full_table nearly_full(5);
            for (int i = 0; i < 20; ++i)
                berth::async_bind_ephemeral(
                    context.get_executor(), {.backend = which},
                    [&](const std::error_code& ec, tcp::acceptor acceptor) {
                        if (!ec)
                            granted.push_back(std::move(acceptor));
                        else if (ec == std::errc::too_many_files_open)
                            ++refused;
                    });
            context.run();
        }
        expect_equal(granted.size(), std::size_t{5}, "acceptors");
        expect_equal(refused, 15, "refusals");
        granted.clear();
        before.expect_unchanged("a batch");
    }));
}

TEST_CASE("a first use without a descriptor to be had spoils nothing", "[linux][limits]")
{
    const auto which = GENERATE(backend::automatic, backend::syscalls, backend::io_uring);
    INFO(berth::to_string(which));
    BERTH_PASSES(in_network(narrow, [&] {
        if (which == backend::io_uring)
            elsewhere([&] { need(which); });
        write_network_setting("ip_local_reserved_ports", "44000-44011");
        ready_context context;
        std::error_code ec;
        {
            const full_table full(0);
            (void)berth::find_unused_port({.backend = which}, ec);
            expect(ec == std::errc::too_many_files_open, "a lease: " + name(ec));
            (void)berth::bind_ephemeral(context.get_executor(), {.backend = which}, ec);
            expect(ec == std::errc::too_many_files_open, "an acceptor: " + name(ec));
        }
        std::vector<port_lease> leases;
        std::set<std::uint16_t> ports;
        for (ec.clear(); !ec && leases.size() <= narrow.size();) {
            leases.push_back(berth::find_unused_port({.backend = which}, ec));
            if (!ec)
                ports.insert(leases.back().port());
        }
        expect(!ports.empty(), "it works when there are descriptors again: " + name(ec));
        expect(*ports.begin() > 44011, "no reserved port is found");
        expect(*ports.rbegin() <= narrow.last, "no port outside the system's range");
        expect_equal(ports.size(), std::size_t{20}, "ports");
        if (which == backend::automatic)
            for (const berth::backend_status& one : berth::available_backends())
                if (one.which == backend::io_uring && !one.available)
                    expect(one.reason.find("Too many open files") == std::string::npos,
                           "io_uring was not given up: " + one.reason);
    }));
}

TEST_CASE("what is wrong with a request is said before a descriptor is wanted",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        write_network_setting("ip_local_reserved_ports", "44000-44011");
        warm_up(which);
        ready_context context;
        const auto ex = context.get_executor();
        const account before;
        const std::vector<std::pair<berth::bind_options, berth::error>> wrong = {
            {{.ports = port_range{9, 8}}, berth::error::invalid_range},
            {{.ports = berth::port_set()}, berth::error::no_ports},
            {{.ports = port_range{44000, 44011}}, berth::error::no_ports},
            {{.ports = port_range{6665, 6669}, .browser_safe = true},
             berth::error::no_ports},
            {{.preferred = 0}, berth::error::invalid_preferred},
        };
        {
            const full_table full(0);
            for (const auto& [options, error] : wrong) {
                berth::bind_options bound = options;
                bound.backend = which;
                std::error_code ec;
                (void)berth::bind_ephemeral(ex, bound, ec);
                expect(ec == error, "an acceptor: " + name(ec));
                (void)berth::bind_ephemeral<udp>(ex, bound, ec);
                expect(ec == error, "a UDP socket: " + name(ec));
                (void)berth::find_unused_port({.ports = bound.ports,
                                               .preferred = bound.preferred,
                                               .browser_safe = bound.browser_safe,
                                               .backend = which},
                                              ec);
                expect(ec == error, "a lease: " + name(ec));
            }
        }
        before.expect_unchanged("errors");
    }));
}

TEST_CASE("a coroutine whose context cannot make its reactor gets an exception",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_process([&] {
        warm_up(which);
        std::error_code ec;
        asio::io_context context;
        asio::co_spawn(
            context,
            [&]() -> asio::awaitable<void> {
                try {
                    (void)co_await berth::co_bind_ephemeral({.backend = which});
                } catch (const std::system_error& e) {
                    ec = e.code();
                }
            },
            asio::detached);
        const full_table none(0);
        context.run();
        expect(ec == std::errc::too_many_files_open, "the coroutine: " + name(ec));
    }));
}

TEST_CASE("five thousand leases are held at once, each on a port of its own",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    constexpr port_range wide = {20000, 29999};
    BERTH_PASSES(in_network(wide, [&] {
        constexpr std::size_t number = 5'000;
        need_descriptors(number + 100);
        warm_up(which);
        const std::size_t before = open_descriptors();
        for (int round = 0; round < 3; ++round) {
            std::vector<port_lease> leases;
            std::set<std::uint16_t> ports;
            for (std::size_t i = 0; i < number; ++i) {
                leases.push_back(berth::find_unused_port({.backend = which}));
                expect(ports.insert(leases.back().port()).second, "a port of its own");
            }
            for (const port_lease& lease : leases)
                expect_equal(try_bind("0.0.0.0", lease.port(), reuse::nothing),
                             "EADDRINUSE", "a leased port");
            leases.clear();
            for (const std::uint16_t port : ports)
                expect_equal(try_bind("0.0.0.0", port, reuse::nothing), "ok",
                             "a port that was given back");
            expect_equal(open_descriptors(), before, "descriptors");
        }
    }));
}

TEST_CASE("every port of a range is leased at once, as far as there are descriptors",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    constexpr port_range all = {8192, 65535};
    BERTH_PASSES(in_network(all, [&] {
        constexpr rlim_t of_others = 100;
        const rlim_t number =
            std::min(allow_descriptors() - of_others, rlim_t{all.size()});
        const port_range some = {static_cast<std::uint16_t>(65536 - number), 65535};
        warm_up(which);
        const std::size_t before = open_descriptors();
        {
            const find_options options = {.ports = some, .backend = which};
            const auto leases =
                berth::find_unused_ports(static_cast<std::size_t>(number), options);
            expect_equal(leases.size(), std::size_t{number}, "leases");
            expect_equal(open_descriptors(), before + number, "descriptors");
            std::error_code ec;
            (void)berth::find_unused_port(options, ec);
            expect(ec == berth::error::ports_exhausted, "one more: " + name(ec));
        }
        expect_equal(open_descriptors(), before, "descriptors at the end");
    }));
}

TEST_CASE("a process leases as many ports as it has descriptors", "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network({20000, 20999}, [&] {
        need_descriptors(2'000);
        warm_up(which);
        const account before;
        {
            const soft_limit few(RLIMIT_NOFILE, 256);
            std::vector<port_lease> leases;
            std::error_code ec;
            while (!ec && leases.size() <= 256)
                leases.push_back(berth::find_unused_port({.backend = which}, ec));
            expect(ec == std::errc::too_many_files_open, "the end: " + name(ec));
            expect(leases.size() > 200, std::to_string(leases.size()) + " leases");
            leases.resize(10);
        }
        before.expect_unchanged("EMFILE");
    }));
}

TEST_CASE("a process with very few descriptors gets ports all the same",
          "[linux][limits]")
{
    const rlim_t few = GENERATE(16, 32, 63, 64, 100);
    INFO(few << " descriptors");
    BERTH_PASSES(in_network(narrow, [&] {
        elsewhere([] { need(backend::io_uring); });
        ::unsetenv("BERTH_BACKEND"); // with which io_uring would be all that is allowed
        std::error_code ec;
        {
            const soft_limit limit(RLIMIT_NOFILE, few);
            ready_context context;
            const port_lease lease = berth::find_unused_port({}, ec);
            expect(!ec && lease, "a lease: " + name(ec));
            const auto acceptor = berth::bind_ephemeral(context.get_executor(), {}, ec);
            expect(!ec && acceptor.is_open(), "an acceptor: " + name(ec));

            const port_lease other =
                berth::find_unused_port({.backend = backend::io_uring}, ec);
            expect(!ec || ec == std::errc::too_many_files_open ||
                       ec == berth::error::backend_unavailable,
                   "io_uring works or says why not: " + name(ec));
            for (const berth::backend_status& one : berth::available_backends())
                if (one.which == backend::io_uring && !one.available)
                    expect(one.reason.find("RLIMIT_NOFILE") != std::string::npos,
                           "the reason names the limit: " + one.reason);
        }
        const port_lease lease = berth::find_unused_port({.backend = backend::io_uring});
        expect(lease.valid(), "io_uring works when the limit is raised");
    }));
}

TEST_CASE(
    "where a context cannot open what it needs for its first socket nothing is leaked",
    "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        const account before;
        {
            const full_table nearly_full(1);
            asio::io_context context;
            std::error_code ec;
            // Asio's constructor of a socket throws, error_code or not.
            try {
                (void)berth::bind_ephemeral(context.get_executor(), {.backend = which},
                                            ec);
            } catch (const std::system_error& e) {
                ec = e.code();
            }
            expect_equal(ec.value(), EMFILE, "an acceptor: " + name(ec));
        }
        before.expect_unchanged("EMFILE");
    }));
}

// --- errors ----------------------------------------------------------------------------

TEST_CASE("no error leaves a descriptor or a port behind", "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        ready_context context;
        const auto ex = context.get_executor();
        const auto fail = [&](const char* address, std::optional<port_range> range,
                              const std::error_condition& wanted) {
            const auto at = asio::ip::make_address(address);
            const std::string what = std::string(address) + ": ";
            const account before;
            std::error_code ec;
            for (int i = 0; i < 100; ++i) {
                const port_lease lease = berth::find_unused_port(
                    {.addresses = at, .ports = range, .backend = which}, ec);
                expect(ec == wanted && !lease, what + "a lease: " + name(ec));
                const auto acceptor = berth::bind_ephemeral(
                    ex, {.address = at, .ports = range, .backend = which}, ec);
                expect(ec == wanted && !acceptor.is_open(),
                       what + "an acceptor: " + name(ec));
                tcp::socket own(ex, at.is_v6() ? tcp::v6() : tcp::v4());
                if (!range) {
                    const auto port = berth::bind_ephemeral(own, at, ec);
                    expect(ec == wanted && port == 0, what + "a socket: " + name(ec));
                }
            }
            before.expect_unchanged(what + wanted.message());
        };

        const auto not_here = make_error_condition(std::errc::address_not_available);
        fail("192.0.2.1", std::nullopt, not_here);
        fail("192.0.2.1", port_range{30000, 30001}, not_here);
        if (std::ranges::count(host_addresses(), "::1") != 0)
            fail("2001:db8::1", std::nullopt, not_here);

        const auto invalid = make_error_condition(std::errc::invalid_argument);
        fail("127.0.0.1", port_range{0, 0}, invalid);
        fail("127.0.0.1", port_range{0, 10}, invalid);
        fail("127.0.0.1", port_range{20, 10}, invalid);
    }));
}

TEST_CASE("a request that cannot be prepared keeps no lease that was dropped before it",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    constexpr port_range wide = {44000, 45099};
    constexpr port_range irc = {6665, 6669};
    BERTH_PASSES(in_network(wide, [&] {
        warm_up(which);
        std::vector<port_lease> leases(100); // more than a ring has entries
        for (port_lease& lease : leases)
            lease = berth::find_unused_port({.backend = which});
        std::vector<std::uint16_t> ports;
        std::error_code ec;
        asio::io_context context;
        berth::async_find_unused_port(
            context.get_executor(), {.backend = which},
            [&](std::error_code, const port_lease&) {
                for (const port_lease& lease : leases)
                    ports.push_back(lease.port());
                leases.clear();
                // Browsers block all of them.
                (void)berth::find_unused_port(
                    {.ports = irc, .browser_safe = true, .backend = which}, ec);
            });
        context.run();
        expect(ec == berth::error::no_ports, "the request: " + name(ec));
        expect_equal(std::ranges::count_if(ports, is_free), 100, "ports that are free");
    }));
}

TEST_CASE("an exhausted range leaves no descriptor behind, and is whole again later",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        warm_up(which);
        ready_context context;
        const account before;
        {
            std::vector<port_lease> leases;
            for (int i = 0; i < narrow.size(); ++i)
                leases.push_back(berth::find_unused_port({.backend = which}));
            const std::size_t descriptors = open_descriptors();
            std::error_code ec;
            for (int i = 0; i < 100; ++i) {
                const port_lease lease = berth::find_unused_port({.backend = which}, ec);
                expect(ec == berth::error::ports_exhausted, "a lease: " + name(ec));
                const auto acceptor =
                    berth::bind_ephemeral(context.get_executor(), {.backend = which}, ec);
                expect(ec == berth::error::ports_exhausted, "an acceptor: " + name(ec));
                tcp::socket own(context, tcp::v4());
                const auto port =
                    berth::bind_ephemeral(own, asio::ip::address_v4::loopback(), ec);
                expect(ec == berth::error::ports_exhausted && port == 0,
                       "a socket: " + name(ec));
            }
            expect_equal(open_descriptors(), descriptors, "descriptors");
        }
        before.expect_unchanged("exhaustion");
        std::vector<port_lease> leases;
        for (int i = 0; i < narrow.size(); ++i)
            leases.push_back(berth::find_unused_port({.backend = which}));
    }));
}

TEST_CASE("privileged ports are EACCES for an ordinary user, and nothing is leaked",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        become_ordinary();
        warm_up(which);
        ready_context context;
        const account before;
        const port_range privileged = {1, 10};
        std::error_code ec;
        for (int i = 0; i < 100; ++i) {
            const port_lease lease =
                berth::find_unused_port({.ports = privileged, .backend = which}, ec);
            expect(ec == std::errc::permission_denied && !lease, "a lease: " + name(ec));
            const auto acceptor = berth::bind_ephemeral(
                context.get_executor(), {.ports = privileged, .backend = which}, ec);
            expect(ec == std::errc::permission_denied && !acceptor.is_open(),
                   "an acceptor: " + name(ec));
        }
        before.expect_unchanged("EACCES");
    }));
}

TEST_CASE("a set of privileged ports is EACCES, one of which a port is taken is not",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        asio::io_context context;
        tcp::acceptor stranger(context, tcp::v4());
        stranger.bind({asio::ip::address_v4::loopback(), 1024});
        become_ordinary();
        warm_up(which);
        const auto fails = [&](const berth::port_pattern& pattern, port_range ports) {
            std::error_code ec;
            expect(
                berth::find_unused_ports(pattern, {.ports = ports, .backend = which}, ec)
                    .empty(),
                "no ports");
            return ec;
        };
        for (const berth::port_pattern& pattern :
             {berth::port_pattern(3), berth::port_pattern::block(2),
              berth::port_pattern::offsets(0, 5)}) {
            const auto ec = fails(pattern, {1, 10});
            expect(ec == std::errc::permission_denied, "privileged: " + name(ec));
        }
        for (const berth::port_pattern& pattern :
             {berth::port_pattern(2), berth::port_pattern::offsets(0, 1),
              berth::port_pattern::offsets(1, 0)}) {
            const auto ec = fails(pattern, {1023, 1024});
            expect(ec == berth::error::ports_exhausted, "one is taken: " + name(ec));
        }
    }));
}

TEST_CASE("of a range that is partly privileged an ordinary user is given the rest",
          "[linux][limits]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        become_ordinary();
        warm_up(which);
        const port_range partly = {1015, 1030};
        for (int round = 0; round < 20; ++round) {
            std::vector<port_lease> leases;
            std::set<std::uint16_t> ports;
            for (int i = 1024; i <= 1030; ++i) {
                leases.push_back(
                    berth::find_unused_port({.ports = partly, .backend = which}));
                ports.insert(leases.back().port());
            }
            expect_equal(ports.size(), std::size_t{7}, "ports");
            expect(*ports.begin() == 1024 && *ports.rbegin() == 1030, "the right ones");
            std::error_code ec;
            (void)berth::find_unused_port({.ports = partly, .backend = which}, ec);
            expect(ec == berth::error::ports_exhausted, "one more: " + name(ec));
        }
    }));
}
