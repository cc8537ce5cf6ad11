// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "leases.hpp"
#include "process.hpp"
#include "seccomp.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <string>
#include <vector>

// One thread under a seccomp filter that forbids io_uring: it does without, and no other thread
// notices.

using berth::backend;
using berth::port_lease;
using namespace berth::testing;

namespace {

constexpr std::size_t batch = 16;
constexpr std::size_t batches = 5;

/// Runs a function in a thread of its own, which ends with it. Throws what it throws.
void in_thread(const std::function<void()>& body)
{
    std::async(std::launch::async, body).get();
}

/// Throws unless what this thread asks for goes through io_uring.
void expect_ring_at_work()
{
    for (std::size_t i = 0; i < batches; ++i) {
        const berth::counters before = berth::process_counters();
        const auto leases = find_batch(batch);
        const berth::counters all = berth::process_counters() - before;
        expect(all.submissions > 0, "a batch goes through io_uring");
        expect_equal(all.granted, std::uint64_t{batch}, "granted");
        expect_equal(all.fallback_forbidden + all.fallback_unavailable +
                         all.fallback_no_resources + all.fallback_busy +
                         all.fallback_broken,
                     std::uint64_t{0}, "fallbacks");
        for (const port_lease& lease : leases)
            expect_still_held(lease);
    }
    expect(find_batch(batch, {.backend = backend::io_uring}).size() == batch,
           "a batch that asks for io_uring");
}

struct filter {
    const char* name;
    unsigned call;
};

constexpr std::array every_filter = {
    filter{"io_uring_enter", SYS_io_uring_enter},
    filter{"io_uring_setup", SYS_io_uring_setup},
};

/// Throws unless this thread, which is under a filter, is given ports, and each counted that io_uring
/// would have found elsewhere.
void expect_ports_under(const filter& forbidden)
{
    for (std::size_t i = 0; i < batches; ++i) {
        const berth::counters before = berth::process_counters();
        auto leases = find_batch(batch);
        const berth::counters all = berth::process_counters() - before;
        expect_equal(all.granted, std::uint64_t{batch}, "granted");
        if (forbidden.call == SYS_io_uring_enter) {
            expect_equal(all.submissions, std::uint64_t{0}, "submissions");
            expect_equal(all.fallback_forbidden, std::uint64_t{batch}, "fallbacks");
            expect_equal(all.fallback_busy + all.fallback_broken, std::uint64_t{0},
                         "fallbacks for another reason");
        } else if (all.submissions == 0) { // no ring was there that it could have used
            expect_equal(all.fallback_forbidden + all.fallback_unavailable,
                         std::uint64_t{batch}, "fallbacks");
        }
        for (port_lease& lease : leases) {
            expect_still_held(lease);
            expect_free(lease.release());
        }
    }
    port_lease one = berth::find_unused_port();
    expect_still_held(one);
    expect_free(one.release());
}

/// Ends leases, and expects that their ports are free at once.
void expect_free_at_end(std::vector<port_lease>& leases)
{
    for (port_lease& lease : leases)
        expect_free(lease.release());
    leases.clear();
}

/// The environment of the test must not choose the back end.
void start_afresh()
{
    ::unsetenv(
        "BERTH_BACKEND"); // the environment of the test must not choose the back end
    elsewhere([] { need(backend::io_uring); });
}

} // namespace

#define BERTH_EACH_FILTER(which, error)                                                  \
    const filter which = GENERATE(from_range(every_filter));                             \
    const int error = GENERATE(EPERM, ENOSYS, EACCES);                                   \
    INFO((which).name << ": " << std::strerror(error))

TEST_CASE("other threads do not notice that one may not use io_uring",
          "[linux][no_io_uring]")
{
    BERTH_EACH_FILTER(forbidden, error);
    const bool used_before = GENERATE(false, true);
    INFO((used_before ? "used before" : "not used before"));
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        if (used_before)
            expect_ring_at_work();
        in_thread([&] {
            forbid(forbidden.call, error);
            (void)find_batch(batch);
            (void)berth::find_unused_port();
        });
        expect_ring_at_work();
        in_thread(&expect_ring_at_work);
    }));
}

TEST_CASE("a thread that may not use io_uring is given ports, and each is counted",
          "[linux][no_io_uring]")
{
    BERTH_EACH_FILTER(forbidden, error);
    const bool used_before = GENERATE(false, true);
    INFO((used_before ? "used before" : "not used before"));
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        if (used_before)
            expect_ring_at_work();
        in_thread([&] {
            forbid(forbidden.call, error);
            expect_ports_under(forbidden);
        });
        expect_ring_at_work();
    }));
}

TEST_CASE("a port is free at once whichever thread gives it back", "[linux][no_io_uring]")
{
    BERTH_EACH_FILTER(forbidden, error);
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        auto here = find_batch(batch);
        auto given_back_there = find_batch(batch);
        here.push_back(berth::find_unused_port());
        given_back_there.push_back(berth::find_unused_port());
        std::vector<port_lease> there;
        in_thread([&] {
            forbid(forbidden.call, error);
            expect_free_at_end(given_back_there);
            there = find_batch(batch);
            there.push_back(berth::find_unused_port());
        });
        for (const port_lease& lease : here)
            expect_still_held(lease);
        for (const port_lease& lease : there)
            expect_still_held(lease);
        in_thread([&] { expect_free_at_end(here); });
        expect_free_at_end(there);
        expect_ring_at_work();
    }));
}

TEST_CASE("a lease is sealed, opened and listens in a thread that may not use io_uring",
          "[linux][no_io_uring]")
{
    BERTH_EACH_FILTER(forbidden, error);
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        auto leases = find_batch(batch);
        in_thread([&] {
            forbid(forbidden.call, error);
            asio::io_context context;
            for (port_lease& lease : leases) {
                lease.seal();
                expect_still_held(lease);
                lease.open();
                expect_still_held(lease);
                const std::uint16_t port = lease.port();
                {
                    const auto acceptor = std::move(lease).listen(context.get_executor());
                    expect_equal(try_connect("127.0.0.1", port), "ok", "a client");
                }
            }
        });
        expect_ring_at_work();
    }));
}

TEST_CASE("threads with and without io_uring find ports at the same time",
          "[linux][no_io_uring]")
{
    BERTH_EACH_FILTER(forbidden, error);
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        (void)find_batch(batch);
        // Each in ports of its own: what one gives back another may find.
        const auto find = [](std::size_t times, std::uint16_t first) {
            const berth::find_options options = {
                .ports = berth::port_range{first, std::uint16_t(first + 999)}};
            for (std::size_t i = 0; i < times; ++i) {
                auto leases = find_batch(batch, options);
                leases.push_back(berth::find_unused_port(options));
                for (port_lease& lease : leases)
                    expect_equal(try_bind("127.0.0.1", lease.release(), reuse::nothing),
                                 "ok", "a socket on a port that was given back");
            }
        };
        std::vector<std::future<void>> threads;
        for (int i = 0; i < 4; ++i)
            threads.push_back(std::async(std::launch::async, [&, i] {
                if (i % 2 == 0)
                    forbid(forbidden.call, error);
                find(50, static_cast<std::uint16_t>(20000 + 1000 * i));
            }));
        for (auto& thread : threads)
            thread.get();
        expect_ring_at_work();
    }));
}

TEST_CASE(
    "a thread that may not use io_uring is given ports also where it names io_uring",
    "[linux][no_io_uring]")
{
    BERTH_EACH_FILTER(forbidden, error);
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        (void)find_batch(batch);
        in_thread([&] {
            forbid(forbidden.call, error);
            const berth::counters before = berth::process_counters();
            const auto leases = find_batch(batch, {.backend = backend::io_uring});
            const berth::counters all = berth::process_counters() - before;
            for (const port_lease& lease : leases)
                expect_still_held(lease);
            // A ring that is there already need not be made.
            const bool may_submit = forbidden.call == SYS_io_uring_setup;
            expect_equal(all.fallback_forbidden, std::uint64_t{may_submit ? 0 : batch},
                         "fallbacks");
        });
        expect_ring_at_work();
    }));
}
