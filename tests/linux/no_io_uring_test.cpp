// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "descriptors.hpp"
#include "leases.hpp"
#include "process.hpp"
#include "seccomp.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

// Where io_uring is forbidden, or becomes so, or there is no memory for it.

using berth::backend;
using berth::port_lease;
using namespace berth::testing;

namespace {

constexpr bool built_in = BERTH_HAS_IO_URING != 0;

/// The environment of the test must not choose the back end.
void start_afresh()
{
    ::unsetenv("BERTH_BACKEND");
}

berth::backend_status status_of(backend which)
{
    for (const berth::backend_status& one : berth::available_backends())
        if (one.which == which)
            return one;
    throw std::runtime_error("a back end that berth does not know of");
}

void expect_contains(const std::string& text, const std::string& part)
{
    expect(text.find(part) != std::string::npos, '"' + text + "\" contains " + part);
}

/// berth works, whatever it works with.
void expect_at_work(backend which)
{
    asio::io_context context;
    port_lease lease = berth::find_unused_port({.backend = which});
    expect_equal(try_bind("127.0.0.1", lease.port(), reuse::nothing), "EADDRINUSE",
                 "a bind() to a lease's port");
    lease.seal();
    expect_equal(try_bind("127.0.0.1", lease.port(), reuse::address), "EADDRINUSE",
                 "a bind() to a sealed lease's port");
    lease.open();
    expect_equal(try_bind("127.0.0.1", lease.port(), reuse::address), "ok",
                 "a bind() to an open lease's port");
    const auto made = std::move(lease).listen(context.get_executor());
    expect_equal(try_connect("127.0.0.1", made.local_endpoint().port()), "ok",
                 "a client of a lease's acceptor");

    const auto acceptor =
        berth::bind_ephemeral(context.get_executor(), {.backend = which});
    expect_equal(try_connect("127.0.0.1", acceptor.local_endpoint().port()), "ok",
                 "a client");
    const auto udp =
        berth::bind_ephemeral<asio::ip::udp>(context.get_executor(), {.backend = which});
    expect(udp.local_endpoint().port() != 0, "a UDP socket's port");
}

/// Everything says that there is no io_uring, and why.
void expect_no_ring(const std::vector<std::string>& reasons)
{
    const berth::backend_status status = status_of(backend::io_uring);
    expect(!status.available, "io_uring is not available");
    for (const std::string& reason : reasons)
        expect_contains(status.reason, reason);
    expect(status_of(backend::syscalls).available, "system calls are available");

    std::error_code ec;
    port_lease none = berth::find_unused_port({.backend = backend::io_uring}, ec);
    expect(ec == berth::error::backend_unavailable, "the error of a lease");
    expect(!none.valid(), "an empty lease");
    asio::io_context context;
    const auto closed =
        berth::bind_ephemeral(context.get_executor(), {.backend = backend::io_uring}, ec);
    expect(ec == berth::error::backend_unavailable, "the error of an acceptor");
    expect(!closed.is_open(), "no acceptor");

    std::string thrown;
    try {
        none = berth::find_unused_port({.backend = backend::io_uring});
    } catch (const std::system_error& e) {
        thrown = e.what();
    }
    expect_contains(thrown, "io_uring");
    for (const std::string& reason : reasons)
        expect_contains(thrown, reason);
    expect_equal(open_descriptors_of(ring), std::size_t{0}, "rings");
}

std::vector<std::string> reasons_for(const char* call, int error)
{
    if (!built_in)
        return {"built without"};
    return {call, std::strerror(error)};
}

} // namespace

TEST_CASE("where io_uring_setup is forbidden berth uses system calls and says why",
          "[linux][no_io_uring]")
{
    const int error = GENERATE(EPERM, ENOSYS, EACCES);
    INFO(std::strerror(error));
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        forbid(SYS_io_uring_setup, error);
        expect_at_work(backend::automatic);
        expect_no_ring(reasons_for("io_uring_setup", error));
        expect_at_work(backend::automatic);
        expect_at_work(backend::syscalls);
    }));
}

TEST_CASE("where io_uring_register is forbidden berth uses system calls and says why",
          "[linux][no_io_uring]")
{
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        need(backend::io_uring);
        elsewhere([] {
            forbid(SYS_io_uring_register, EPERM);
            expect_at_work(backend::automatic);
            expect_no_ring(reasons_for("io_uring_register", EPERM));
        });
    }));
}

TEST_CASE("where no memory may be locked berth uses system calls and says why",
          "[linux][no_io_uring]")
{
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        become_ordinary();
        const soft_limit none(RLIMIT_MEMLOCK, 0);
        expect_at_work(backend::automatic);
        if (status_of(backend::io_uring).available)
            throw not_possible_here(
                "this kernel does not count a ring's memory as locked");
        expect_no_ring(built_in ? std::vector<std::string>{"io_uring_setup"}
                                : std::vector<std::string>{"built without"});
    }));
}

TEST_CASE("a little locked memory is enough for berth to work", "[linux][no_io_uring]")
{
    const rlim_t kibibytes = GENERATE(4, 8, 16, 64);
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        become_ordinary();
        const soft_limit little(RLIMIT_MEMLOCK, kibibytes * 1024);
        expect_at_work(backend::automatic);
        // Other processes of the same user may have locked it already.
        if (status_of(backend::io_uring).available)
            expect_at_work(backend::io_uring);
    }));
}

TEST_CASE("where a ring can be had no more in the midst of a set all of it comes from "
          "system calls",
          "[linux][no_io_uring]")
{
    constexpr berth::port_range few = {44000, 44149};
    BERTH_PASSES(in_network(few, [&] {
        start_afresh();
        need(backend::io_uring);
        elsewhere([&] {
            forbid(SYS_io_uring_setup, EPERM);
            const auto leases = berth::find_unused_ports(few.size());
            expect_equal(leases.size(), std::size_t{few.size()}, "leases");
        });
    }));
}

TEST_CASE("where io_uring_enter is forbidden from the start berth still works",
          "[linux][no_io_uring]")
{
    const int error = GENERATE(EPERM, ENOSYS);
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        need(backend::io_uring);
        elsewhere([&] {
            forbid(SYS_io_uring_enter, error);
            for (int i = 0; i < 100; ++i)
                expect_at_work(backend::automatic);
        });
    }));
}

// --- how often, and why ------------------------------------------------------------------

namespace {

constexpr std::size_t batch = 20;

/// Returns what is counted while a batch of leases is asked for.
berth::counters find_batches(const berth::find_options& options = {})
{
    const berth::counters before = berth::process_counters();
    (void)find_batch(batch, options);
    const berth::counters all = berth::process_counters() - before;
    expect_equal(all.granted, std::uint64_t(batch), "granted");
    return all;
}

void expect_fallbacks(const berth::counters& got, std::uint64_t unavailable,
                      std::uint64_t no_resources, std::uint64_t forbidden)
{
    expect_equal(got.fallback_unavailable, unavailable, "fallbacks: unavailable");
    expect_equal(got.fallback_no_resources, no_resources, "fallbacks: no resources");
    expect_equal(got.fallback_forbidden, forbidden, "fallbacks: forbidden");
    expect_equal(got.fallback_busy, 0U, "fallbacks: busy");
    expect_equal(got.fallback_broken, 0U, "fallbacks: broken");
    expect_equal(got.submissions, 0U, "submissions");
}

} // namespace

TEST_CASE("a fallback is counted for each socket of a batch, with its reason",
          "[linux][no_io_uring]")
{
    if (!built_in)
        BERTH_SKIP("berth was built without io_uring");
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        elsewhere([] {
            forbid(SYS_io_uring_setup, EPERM);
            expect_fallbacks(find_batches(), batch, 0, 0);
            // What has no choice, or chose it, or is too small for a ring, does not fall back.
            const berth::counters before = berth::process_counters();
            std::error_code ec;
            (void)berth::find_unused_port({.backend = backend::io_uring}, ec);
            (void)berth::find_unused_port({.backend = backend::syscalls}, ec);
            (void)berth::find_unused_port();
            expect_fallbacks(berth::process_counters() - before, 0, 0, 0);
        });
        elsewhere([] {
            need(backend::io_uring);
            forbid(SYS_io_uring_enter, EPERM);
            expect_fallbacks(find_batches(), 0, 0, batch);
            expect_fallbacks(find_batches(), 0, 0, batch);
            expect_fallbacks(find_batches({.backend = backend::io_uring}), 0, 0, batch);
        });
        elsewhere([] {
            forbid(SYS_io_uring_setup, EMFILE);
            expect_fallbacks(find_batches(), 0, batch, 0);
        });
        elsewhere([] {
            forbid(SYS_io_uring_setup, ENOMEM);
            for (int i = 0; i < 100; ++i)
                expect_fallbacks(find_batches(), 0, batch, 0);
        });
        elsewhere([] {
            ::setenv("BERTH_BACKEND", "syscalls", 1);
            expect_fallbacks(find_batches(), 0, 0, 0);
        });
    }));
}

TEST_CASE("where io_uring works nothing falls back", "[linux][no_io_uring]")
{
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        need(backend::io_uring);
        berth::counters all = find_batches();
        expect(all.submissions != 0, "submissions");
        all.submissions = 0;
        expect_fallbacks(all, 0, 0, 0);
    }));
}

// --- a filter that comes when the ring is in use already -------------------------------

TEST_CASE("where io_uring_enter becomes forbidden the leases work as before",
          "[linux][no_io_uring]")
{
    const int error = GENERATE(EPERM, ENOSYS);
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        need(backend::io_uring);
        asio::io_context context;
        const auto ex = context.get_executor();
        (void)berth::bind_ephemeral(ex); // opens what the context needs
        const std::size_t before = open_descriptors();
        std::vector<port_lease> held = find_batch(200, {.backend = backend::io_uring});
        forbid(SYS_io_uring_enter, error);

        held.front().seal();
        expect_still_held(held.front());
        const auto acceptor = std::move(held.front()).listen(ex);
        expect_equal(try_connect("127.0.0.1", acceptor.local_endpoint().port()), "ok",
                     "a client of a lease's acceptor");
        expect_free(held[1].release());

        for (int i = 0; i < 10; ++i) {
            (void)find_batch(40, {.backend = backend::io_uring});
            expect_at_work(backend::io_uring);
            expect_at_work(backend::automatic);
        }
        for (std::size_t i = 2; i < held.size(); ++i)
            expect_still_held(held[i]);
        held.clear();
        const std::size_t after = open_descriptors();
        expect(after <= before + 1, std::to_string(after) + " descriptors, " +
                                        std::to_string(before) + " before");
    }));
}

TEST_CASE("where io_uring_enter becomes forbidden a whole batch is answered",
          "[linux][no_io_uring]")
{
    const backend which = GENERATE(backend::automatic, backend::io_uring);
    BERTH_PASSES(in_quiet_network([&] {
        start_afresh();
        need(backend::io_uring);
        const std::size_t before = open_descriptors();
        forbid(SYS_io_uring_enter, EPERM);
        constexpr std::size_t requests = 500;
        expect_equal(find_batch(requests, {.backend = which}).size(), requests,
                     "answers");
        expect(open_descriptors() <= before, "no descriptor more");
    }));
}

// --- BERTH_BACKEND ---------------------------------------------------------------------

TEST_CASE("BERTH_BACKEND=syscalls leaves io_uring alone unless it is asked for",
          "[linux][no_io_uring]")
{
    BERTH_PASSES(in_quiet_network([] {
        ::setenv("BERTH_BACKEND", "syscalls", 1);
        expect_at_work(backend::automatic);
        expect_equal(open_descriptors_of(ring), std::size_t{0}, "rings");
        need(backend::io_uring);
        expect_at_work(backend::io_uring);
        expect_equal(open_descriptors_of(ring), std::size_t{1}, "rings");
    }));
}

TEST_CASE("BERTH_BACKEND=io_uring allows nothing else", "[linux][no_io_uring]")
{
    BERTH_PASSES(in_quiet_network([] {
        ::setenv("BERTH_BACKEND", "io_uring", 1);
        elsewhere([] {
            need(backend::io_uring);
            expect_at_work(backend::automatic);
            (void)find_batch(batch);
            expect_equal(open_descriptors_of(ring), std::size_t{1}, "rings");
        });
    }));
}

TEST_CASE("where there is no io_uring BERTH_BACKEND=io_uring is an error that says why",
          "[linux][no_io_uring]")
{
    BERTH_PASSES(in_quiet_network([] {
        ::setenv("BERTH_BACKEND", "io_uring", 1);
        forbid(SYS_io_uring_setup, ENOSYS);
        std::error_code ec;
        (void)berth::find_unused_port({}, ec);
        expect(ec == berth::error::backend_unavailable, "the error: " + ec.message());
        std::string thrown;
        try {
            (void)berth::find_unused_port();
        } catch (const std::system_error& e) {
            thrown = e.what();
        }
        for (const std::string& reason : reasons_for("io_uring_setup", ENOSYS))
            expect_contains(thrown, reason);
        expect_at_work(backend::syscalls);
    }));
}

TEST_CASE("a BERTH_BACKEND that names no back end is an error that says so",
          "[linux][no_io_uring]")
{
    const std::string value = GENERATE("nonsense", "io-uring", "SYSCALLS", "syscalls ");
    BERTH_PASSES(in_quiet_network([&] {
        ::setenv("BERTH_BACKEND", value.c_str(), 1);
        std::error_code ec;
        (void)berth::find_unused_port({}, ec);
        expect(ec == berth::error::backend_unavailable, "the error: " + ec.message());
        std::string thrown;
        try {
            asio::io_context context;
            (void)berth::bind_ephemeral(context.get_executor());
        } catch (const std::system_error& e) {
            thrown = e.what();
        }
        expect_contains(thrown, "BERTH_BACKEND");
        expect_contains(thrown, value);
        expect_at_work(backend::syscalls);
    }));
}

TEST_CASE("a BERTH_BACKEND of another system is an error that says so",
          "[linux][no_io_uring]")
{
    BERTH_PASSES(in_quiet_network([] {
        ::setenv("BERTH_BACKEND", "winsock", 1);
        std::string thrown;
        try {
            (void)berth::find_unused_port();
        } catch (const std::system_error& e) {
            thrown = e.what();
        }
        expect_contains(thrown, "winsock");
        expect_contains(thrown, "Windows");
    }));
}

TEST_CASE("BERTH_BACKEND is read once, at the first use", "[linux][no_io_uring]")
{
    BERTH_PASSES(in_quiet_network([] {
        ::setenv("BERTH_BACKEND", "syscalls", 1);
        {
            const port_lease first = berth::find_unused_port();
        }
        ::setenv("BERTH_BACKEND", "nonsense", 1);
        expect_at_work(backend::automatic);
        expect_equal(open_descriptors_of(ring), std::size_t{0}, "rings");
    }));
}

TEST_CASE("an empty BERTH_BACKEND and one that says automatic change nothing",
          "[linux][no_io_uring]")
{
    const std::string value = GENERATE("", "automatic");
    BERTH_PASSES(in_quiet_network([&] {
        ::setenv("BERTH_BACKEND", value.c_str(), 1);
        expect_at_work(backend::automatic);
        need(backend::io_uring);
        expect_equal(open_descriptors_of(ring), std::size_t{1}, "rings");
    }));
}
