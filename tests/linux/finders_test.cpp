// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "child.hpp"
#include "leases.hpp"
#include "process.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#if BERTH_HAS_CO_AWAIT
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#endif

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>
#include <variant>
#include <vector>

// Many who look for ports at the same time, in one process and in many.

using asio::ip::tcp;
using berth::port_lease;
using berth::port_range;
using namespace berth::testing;

namespace {

constexpr int processes = 8;
constexpr int finders = 25;
constexpr int total = processes * finders;

/// What the finders of one process ask for.
struct wish {
    berth::backend which;
    std::optional<port_range> range = std::nullopt;
    bool acceptors_too = false;
    int threads = 1;
};

/// The finders of one process, each of which keeps what it found.
class party {
public:
    explicit party(const wish& asked) : asked_(asked)
    {
        for (int i = 0; i < finders; ++i) {
            if (asked_.acceptors_too && i % 2 != 0)
                bind_one();
            else
                find_one();
        }
        std::vector<std::thread> others;
        for (int i = 1; i < asked_.threads; ++i)
            others.emplace_back([this] { context_.run(); });
        context_.run();
        for (std::thread& other : others)
            other.join();
    }

    /// The ports that were found, or an error, on one line.
    [[nodiscard]] std::string report() const
    {
        if (!failure_.empty())
            return failure_;
        std::string text;
        for (const auto& one : held_) {
            const auto* const lease = std::get_if<port_lease>(&one);
            const auto port = lease != nullptr
                                  ? lease->port()
                                  : std::get<tcp::acceptor>(one).local_endpoint().port();
            text += std::to_string(port) + ' ';
        }
        return text;
    }

private:
    using held = std::variant<port_lease, tcp::acceptor>;

    [[nodiscard]] berth::find_options find_options() const
    {
        return {.ports = asked_.range, .backend = asked_.which};
    }

    [[nodiscard]] berth::bind_options bind_options() const
    {
        return {.ports = asked_.range, .backend = asked_.which};
    }

    void keep(const std::error_code& ec, held what)
    {
        const std::lock_guard lock(mutex_);
        if (ec)
            failure_ = ec.message();
        else
            held_.push_back(std::move(what));
    }

#if BERTH_HAS_CO_AWAIT
    asio::awaitable<void> find()
    {
        keep({}, co_await berth::co_find_unused_port(find_options()));
    }

    asio::awaitable<void> bind()
    {
        keep({}, co_await berth::co_bind_ephemeral(bind_options()));
    }

    void start(asio::awaitable<void> finder)
    {
        asio::co_spawn(context_, std::move(finder), [this](const std::exception_ptr& e) {
            try {
                if (e)
                    std::rethrow_exception(e);
            } catch (const std::exception& problem) {
                const std::lock_guard lock(mutex_);
                failure_ = problem.what();
            }
        });
    }

    void find_one()
    {
        start(find());
    }
    void bind_one()
    {
        start(bind());
    }
#else
    void find_one()
    {
        berth::async_find_unused_port(
            context_.get_executor(), find_options(),
            [this](const std::error_code& ec, port_lease l) { keep(ec, std::move(l)); });
    }

    void bind_one()
    {
        berth::async_bind_ephemeral(context_.get_executor(), bind_options(),
                                    [this](const std::error_code& ec, tcp::acceptor a) {
                                        keep(ec, std::move(a));
                                    });
    }
#endif

    const wish asked_;
    asio::io_context context_;
    std::mutex mutex_;
    std::vector<held> held_;
    std::string failure_;
};

/// Processes that find at the same time and hold what they found until they may leave.
class crowd {
public:
    explicit crowd(const wish& asked)
    {
        for (int i = 0; i < processes; ++i)
            members_.push_back(std::make_unique<child>([&](channel& line) {
                end_with_parent();
                line.say("here");
                (void)line.hear();
                const party mine(asked);
                line.say(mine.report());
                (void)line.hear();
            }));
        for (const auto& member : members_)
            expect_equal(member->line().hear(), "here", "a process that is there");
        for (const auto& member : members_)
            member->line().say("find");
        for (const auto& member : members_) {
            const std::string said = member->line().hear();
            std::istringstream report(said);
            int count = 0;
            for (std::uint16_t port = 0; report >> port; ++count)
                expect(ports_.insert(port).second,
                       std::to_string(port) + " is held by one finder only");
            expect(count == finders, "a whole report: " + said);
        }
    }

    [[nodiscard]] const std::set<std::uint16_t>& ports() const noexcept { return ports_; }

    void leave()
    {
        for (const auto& member : members_)
            member->line().say("leave");
        for (const auto& member : members_)
            expect(member->wait(), "a process that ends well");
        members_.clear();
    }

private:
    std::vector<std::unique_ptr<child>> members_;
    std::set<std::uint16_t> ports_;
};

std::set<std::uint16_t> all_of(port_range range)
{
    std::set<std::uint16_t> all;
    for (std::uint16_t port = range.first; port <= range.last; ++port)
        all.insert(port);
    return all;
}

/// One more finder has nothing left to find.
void expect_exhausted(const wish& asked)
{
    std::error_code ec;
    const port_lease lease =
        berth::find_unused_port({.ports = asked.range, .backend = asked.which}, ec);
    expect(ec == berth::error::ports_exhausted, "no lease is left");
    expect(ec == std::errc::address_in_use, "which is as EADDRINUSE");
    expect(!lease.valid(), "an empty lease");

    asio::io_context context;
    const auto acceptor = berth::bind_ephemeral(
        context.get_executor(), {.ports = asked.range, .backend = asked.which}, ec);
    expect(ec == berth::error::ports_exhausted, "no port is left to bind");
    expect(!acceptor.is_open(), "no acceptor");
}

constexpr port_range just_enough = {42000, 42000 + total - 1};

} // namespace

TEST_CASE("two hundred finders in eight processes never find the same port",
          "[linux][finders]")
{
    BERTH_EACH_BACKEND(which);
    const int threads = GENERATE(1, 2);
    const bool acceptors_too = GENERATE(false, true);
    BERTH_PASSES(in_process([&] {
        need(which);
        crowd all({.which = which, .acceptors_too = acceptors_too, .threads = threads});
        expect_equal(all.ports().size(), std::size_t{total}, "the number of ports");
        all.leave();
    }));
}

TEST_CASE("finders on every back end at once never find the same port",
          "[linux][finders]")
{
    BERTH_PASSES(in_process([&] {
        std::vector<std::unique_ptr<crowd>> crowds;
        std::set<std::uint16_t> ports;
        const auto working = working_backends();
        for (const berth::backend which : working)
            need(which);
        for (const berth::backend which : working)
            crowds.push_back(
                std::make_unique<crowd>(wish{.which = which, .acceptors_too = true}));
        for (const auto& one : crowds)
            ports.insert(one->ports().begin(), one->ports().end());
        expect_equal(ports.size(), working.size() * total, "the number of ports");
        for (const auto& one : crowds)
            one->leave();
    }));
}

TEST_CASE("where there are just enough ports everybody finds one, and one more nothing",
          "[linux][finders]")
{
    BERTH_EACH_BACKEND(which);
    const bool acceptors_too = GENERATE(false, true);
    const bool by_option = GENERATE(false, true);
    const port_range ephemeral = by_option ? port_range{30000, 59999} : just_enough;
    wish asked = {.which = which, .acceptors_too = acceptors_too};
    if (by_option)
        asked.range = just_enough;
    BERTH_PASSES(in_network(ephemeral, [&] {
        need(which);
        crowd all(asked);
        expect(all.ports() == all_of(just_enough), "every port is found");
        elsewhere([&] { expect_exhausted(asked); });
        all.leave();
        elsewhere([&] {
            const port_lease lease =
                berth::find_unused_port({.ports = asked.range, .backend = asked.which});
            expect(just_enough.contains(lease.port()), "what was given back is found");
        });
    }));
}

TEST_CASE("processes that a runner gave one number find every port as well",
          "[linux][finders]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(just_enough, [&] {
        need(which);
        ::setenv("PYTEST_XDIST_WORKER", "gw3", 1);
        crowd all({.which = which, .acceptors_too = true});
        expect(all.ports() == all_of(just_enough), "every port is found");
        all.leave();
    }));
}

TEST_CASE("reserved ports are found by nobody", "[linux][finders]")
{
    BERTH_EACH_BACKEND(which);
    const bool by_option = GENERATE(false, true);
    BERTH_PASSES(in_network({41000, 41019}, [&] {
        need(which);
        elsewhere([&] {
            write_network_setting("ip_local_reserved_ports",
                                  "41000,41003-41007,41019,50000");
            auto wanted = all_of({41000, 41019});
            for (const std::uint16_t reserved :
                 {41000, 41003, 41004, 41005, 41006, 41007, 41019})
                wanted.erase(reserved);

            wish asked = {.which = which};
            if (by_option)
                asked.range = port_range{41000, 41019};
            asio::io_context context;
            std::set<std::uint16_t> found;
            std::vector<port_lease> leases;
            std::vector<tcp::acceptor> acceptors;
            std::error_code ec;
            while (!ec && leases.size() < 20) {
                leases.push_back(berth::find_unused_port(
                    {.ports = asked.range, .backend = which}, ec));
                if (!ec)
                    found.insert(leases.back().port());
            }
            expect(found == wanted, "leases on all but the reserved ports");
            expect_exhausted(asked);

            leases.clear();
            found.clear();
            ec.clear();
            while (!ec && acceptors.size() < 20) {
                acceptors.push_back(
                    berth::bind_ephemeral(context.get_executor(),
                                          {.ports = asked.range, .backend = which}, ec));
                if (!ec)
                    found.insert(acceptors.back().local_endpoint().port());
            }
            expect(found == wanted, "acceptors on all but the reserved ports");
            expect_exhausted(asked);
        });
    }));
}

TEST_CASE("where the whole range is reserved there is nothing to find",
          "[linux][finders]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network({41000, 41003}, [&] {
        need(which);
        elsewhere([&] {
            write_network_setting("ip_local_reserved_ports", "40000-50000");
            std::error_code ec;
            expect(!berth::find_unused_port({.backend = which}, ec), "no lease");
            expect(ec == berth::error::no_ports, "no port for a lease: " + ec.message());
            asio::io_context context;
            const auto ex = context.get_executor();
            (void)berth::bind_ephemeral(ex, {.backend = which}, ec);
            expect(ec == berth::error::no_ports, "none for a socket: " + ec.message());
            tcp::socket own(context, tcp::v4());
            (void)berth::bind_ephemeral(own, asio::ip::address_v4::loopback(), ec);
            expect(ec == berth::error::no_ports, "none for one's own: " + ec.message());
        });
    }));
}

TEST_CASE("two hundred threads of one process never hold the same port at once",
          "[linux][finders]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network({44000, 44999}, [&] {
        need(which);
        constexpr int threads = 200;
        constexpr int rounds = 20;
        constexpr std::size_t batch = 5;
        std::mutex mutex;
        std::set<std::uint16_t> held;
        std::atomic<int> finished = 0;
        {
            std::vector<std::jthread> all;
            for (int i = 0; i < threads; ++i)
                all.emplace_back([&] {
                    for (int round = 0; round < rounds; ++round) {
                        auto leases =
                            find_batch(round % 2 == 0 ? 1 : batch, {.backend = which});
                        const std::lock_guard lock(mutex);
                        for (const port_lease& lease : leases)
                            if (!held.insert(lease.port()).second)
                                return;
                        for (port_lease& lease : leases) {
                            held.erase(lease.port());
                            lease.release();
                        }
                    }
                    ++finished;
                });
        }
        expect_equal(finished.load(), threads, "threads that met no port twice");
    }));
}
