// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "child.hpp"
#include "leases.hpp"
#include "process.hpp"
#include "seccomp.hpp"
#include "sockets.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

// When a lease ends and what is left of it: nothing, whoever ends it and wherever.

using berth::backend;
using berth::find_options;
using berth::lease_mode;
using berth::port_lease;
using berth::port_range;
using berth::port_state;
using berth::transports;
using namespace berth::testing;

namespace {

constexpr port_range narrow = {44000, 44199};
constexpr std::size_t batch = 16;

/// How a lease ends while its process lives.
enum class ending { destructor, release, assignment };

constexpr std::array every_ending = {ending::destructor, ending::release,
                                     ending::assignment};

std::string to_string(ending how)
{
    switch (how) {
    case ending::destructor:
        return "by its destructor";
    case ending::release:
        return "by release()";
    case ending::assignment:
        return "by an assignment";
    }
    return "?";
}

/// Ends a lease, and expects that its port is free when that returns.
void expect_free_at_end(port_lease& lease, ending how)
{
    const std::uint16_t port = lease.port();
    switch (how) {
    case ending::destructor: {
        const port_lease last = std::move(lease);
        break;
    }
    case ending::release:
        lease.release();
        break;
    case ending::assignment:
        lease = port_lease();
        break;
    }
    expect_free(port);
}

/// Runs so many coroutines in one context. Throws the first exception of theirs.
void run_coroutines(std::size_t count, const std::function<asio::awaitable<void>()>& body)
{
    asio::io_context context;
    std::exception_ptr failure;
    for (std::size_t i = 0; i < count; ++i)
        asio::co_spawn(context, body(), [&](std::exception_ptr e) {
            if (!failure)
                failure = e;
        });
    context.run();
    if (failure)
        std::rethrow_exception(failure);
}

/// The descriptors of this process that are sockets.
std::vector<int> sockets()
{
    std::vector<int> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone; // the one that lists the directory
        const auto link = std::filesystem::read_symlink(entry.path(), gone);
        if (link.string().starts_with("socket:"))
            found.push_back(std::stoi(entry.path().filename()));
    }
    return found;
}

/// The number of descriptors that a lease is to have: on UDP one for each loopback address.
std::size_t descriptors_of_lease(transports wanted)
{
    const auto addresses = host_addresses();
    const std::size_t udp = std::ranges::count(addresses, "::1") != 0 ? 2 : 1;
    switch (wanted) {
    case transports::tcp:
        return 1;
    case transports::udp:
        return udp;
    case transports::both:
        return 1 + udp;
    }
    return 0;
}

std::string plain_server()
{
    return std::filesystem::read_symlink("/proc/self/exe")
        .replace_filename("plain_server");
}

/// Leases of every kind that a process may hold: found one by one, in batches, by another thread.
std::vector<port_lease> hundred_leases(const find_options& options)
{
    std::vector<port_lease> all = find_batch(50, options);
    std::vector<port_lease> others;
    std::thread([&] { others = find_batch(40, options); }).join();
    std::ranges::move(others, std::back_inserter(all));
    while (all.size() < 100)
        all.push_back(berth::find_unused_port(options));
    return all;
}

std::string ports_of(const std::vector<port_lease>& leases)
{
    std::string ports;
    for (const port_lease& lease : leases)
        ports += std::to_string(lease.port()) + ' ';
    return ports;
}

} // namespace

// --- while the process lives -----------------------------------------------------------

TEST_CASE("a number that a coroutine keeps of a lease is free at once",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        run_coroutines(1, [which]() -> asio::awaitable<void> {
            const find_options options{.backend = which};
            const auto port = (co_await berth::co_find_unused_port(options)).port();
            expect_equal(try_bind("127.0.0.1", port, reuse::nothing), "ok",
                         "a socket without options");
        });
    }));
}

TEST_CASE("a port is free for any socket when its lease has ended, wherever it ends",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    const auto mode = GENERATE(lease_mode::open, lease_mode::sealed);
    const auto wanted = GENERATE(transports::tcp, transports::udp, transports::both);
    const auto how = GENERATE(from_range(every_ending));
    INFO("transports " << int(wanted) << ", " << to_string(how));
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const find_options options{.transports = wanted, .mode = mode, .backend = which};
        for (const std::size_t count : {std::size_t{1}, batch}) {
            for (std::size_t i = 0; i < count; ++i) {
                port_lease lease = berth::find_unused_port(options);
                expect_free_at_end(lease, how);
            }
            for (port_lease& lease : find_batch(count, options))
                expect_free_at_end(lease, how);

            run_coroutines(count, [&]() -> asio::awaitable<void> {
                port_lease lease = co_await berth::co_find_unused_port(options);
                expect_free_at_end(lease, how);
            });
            asio::io_context context;
            for (std::size_t i = 0; i < count; ++i)
                berth::async_find_unused_port(
                    context.get_executor(), options,
                    [&](const std::error_code& ec, port_lease lease) {
                        expect(!ec, "a lease: " + ec.message());
                        expect_free_at_end(lease, how);
                    });
            context.run();
        }
    }));
}

TEST_CASE("when a lease has ended in a coroutine a synchronous wait for its port is over",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    const auto how = GENERATE(from_range(every_ending));
    INFO(to_string(how));
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        run_coroutines(1, [&]() -> asio::awaitable<void> {
            const find_options options{.backend = which};
            port_lease lease = co_await berth::co_find_unused_port(options);
            const std::uint16_t port = lease.port();
            if (how == ending::release)
                lease.release();
            else if (how == ending::assignment)
                lease = port_lease();
            else
                const port_lease last = std::move(lease);
            std::error_code ec;
            berth::wait_until_released(port, {.timeout = std::chrono::seconds(0)}, ec);
            expect(!ec, "one look at the port: " + ec.message());
        });
    }));
}

TEST_CASE("the answers that a context drops at its end hold no port", "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const std::size_t before = sockets().size();
        std::vector<port_lease> told;
        {
            asio::io_context context;
            for (std::size_t i = 0; i < batch; ++i)
                berth::async_find_unused_port(
                    context.get_executor(), {.backend = which},
                    [&](const std::error_code& ec, port_lease lease) {
                        expect(!ec, "a lease: " + ec.message());
                        told.push_back(std::move(lease));
                    });
            expect_equal(context.run_one(), std::size_t{1}, "the first handler");
        }
        told.clear();
        expect_equal(sockets().size(), before, "sockets");
        expect_equal(exhaust_by_bind("0.0.0.0", reuse::nothing).size(),
                     std::size_t{narrow.size()}, "ports that are free");
    }));
}

// --- when the process ends, or becomes another program ---------------------------------

TEST_CASE("a server that a process with leases becomes can bind their ports",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(transports::tcp, transports::both);
    INFO("transports " << int(wanted));
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (int i = 0; i < 5; ++i) {
            child one([&](channel&) {
                const auto leases =
                    hundred_leases({.transports = wanted, .backend = which});
                std::vector<std::string> words = {plain_server()};
                for (const port_lease& lease : leases)
                    words.push_back(std::to_string(lease.port()));
                std::vector<char*> arguments;
                for (std::string& word : words)
                    arguments.push_back(word.data());
                arguments.push_back(nullptr);
                ::execv(arguments.front(), arguments.data());
                throw std::runtime_error("execv: " + error_name(errno));
            });
            expect(one.wait(), "the server is given every port");
        }
    }));
}

TEST_CASE("the ports of a process are free as soon as its end is known",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(transports::tcp, transports::both);
    const bool killed = GENERATE(true, false);
    const bool with_child = GENERATE(false, true);
    INFO("transports " << int(wanted) << (killed ? ", SIGKILL" : ", _exit()")
                       << (with_child ? ", a child lives on" : ""));
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        for (int i = 0; i < 5; ++i) {
            barrier orphan_may_end;
            child holder([&](channel& line) {
                const auto leases =
                    hundred_leases({.transports = wanted, .backend = which});
                const auto say_and_end = [&] {
                    line.say(ports_of(leases));
                    (void)line.hear();
                    ::_exit(0);
                };
                if (!with_child)
                    say_and_end();
                const child orphan([&](channel& to_holder) {
                    to_holder.say("here");
                    orphan_may_end.wait();
                });
                (void)orphan.line().hear();
                say_and_end();
            });
            std::istringstream report(holder.line().hear());
            std::set<std::uint16_t> ports;
            for (std::uint16_t port = 0; report >> port;)
                ports.insert(port);
            expect_equal(ports.size(), std::size_t{100}, "ports that are leased");
            for (const std::uint16_t port : ports)
                expect_equal(try_bind("127.0.0.1", port, reuse::nothing), "EADDRINUSE",
                             "a socket on a leased port");

            if (killed) {
                holder.kill();
            } else {
                holder.line().say("end");
                expect(holder.wait(), "the process ends well");
            }
            // First what takes least time.
            for (const std::uint16_t port : ports)
                expect_equal(try_bind("0.0.0.0", port, reuse::nothing), "ok",
                             "a socket on a port of a process that has ended");
            for (const std::uint16_t port : ports)
                expect_free(port);
        }
    }));
}

TEST_CASE("a program that is started while there are leases inherits nothing of them",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        auto leases = hundred_leases({.transports = transports::both, .backend = which});
        for (const int socket : sockets())
            expect((::fcntl(socket, F_GETFD) & FD_CLOEXEC) != 0,
                   "a socket is closed by exec");

        std::array<int, 2> input = {};
        std::array<int, 2> output = {};
        expect(::pipe2(input.data(), O_CLOEXEC) == 0, "pipe2");
        expect(::pipe2(output.data(), O_CLOEXEC) == 0, "pipe2");
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
        std::string name = plain_server();
        std::array<char*, 2> arguments = {name.data(), nullptr};
        pid_t program = 0;
        expect_equal(::posix_spawn(&program, name.c_str(), &actions, nullptr,
                                   arguments.data(), nullptr),
                     0, "posix_spawn");
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(output[1]);
        // posix_spawn() returns when the program has its memory; the kernel closes descriptors a
        // moment later (begin_new_exec() in fs/exec.c).
        char runs = 0;
        expect_equal(::read(output[0], &runs, 1), ssize_t{1}, "the program runs");
        for (port_lease& lease : leases)
            expect_free_at_end(lease, ending::destructor);

        ::close(input[0]);
        ::close(input[1]);
        int status = 0;
        expect_equal(::waitpid(program, &status, 0), program, "the program");
    }));
}

// --- what a lease consists of ----------------------------------------------------------

TEST_CASE("a lease's process is found by its port", "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(transports::tcp, transports::both);
    const std::size_t count = GENERATE(std::size_t{1}, batch);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        auto leases = find_batch(count, {.transports = wanted, .backend = which});
        leases.resize(1); // a kernel's table has no room for doubt with one socket in it
        const std::uint16_t port = leases.front().port();
        const berth::port_owner found = berth::find_port_owner(port);
        if (found.state == port_state::free)
            throw not_possible_here(
                "this kernel does not tell of bound sockets (Linux 6.8 does)");
        expect(found.state == port_state::bound, "it is bound");
        expect_equal(found.process, static_cast<std::uint32_t>(::getpid()),
                     "the process");
        const std::size_t longest = 15; // TASK_COMM_LEN
        expect_equal(found.name, std::string("linux_lease_lifetime").substr(0, longest),
                     "its name");
        elsewhere([&] {
            expect_equal(berth::find_port_owner(port).process,
                         static_cast<std::uint32_t>(::getppid()),
                         "the process, to another one");
        });
        leases.clear();
        expect(berth::find_port_owner(port).state == port_state::free, "it is free");
    }));
}

TEST_CASE("a lease has a descriptor for each socket that it needs, and none at its end",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(transports::tcp, transports::udp, transports::both);
    const auto how = GENERATE(from_range(every_ending));
    INFO("transports " << int(wanted) << ", " << to_string(how));
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const std::size_t before = sockets().size();
        const std::size_t each = descriptors_of_lease(wanted);
        const find_options options{.transports = wanted, .backend = which};

        port_lease one = berth::find_unused_port(options);
        expect_equal(sockets().size(), before + each, "sockets with a lease");
        auto others = find_batch(batch, options);
        expect_equal(sockets().size(), before + (1 + batch) * each,
                     "sockets with a batch of leases");
        auto set = berth::find_unused_ports(3, options);
        expect_equal(sockets().size(), before + (1 + batch + 3) * each,
                     "sockets with a set of leases");
        for (const int socket : sockets())
            expect((::fcntl(socket, F_GETFD) & FD_CLOEXEC) != 0,
                   "a socket is closed by exec");

        expect_free_at_end(one, how);
        for (port_lease& lease : others)
            expect_free_at_end(lease, how);
        for (port_lease& lease : set)
            expect_free_at_end(lease, how);
        expect_equal(sockets().size(), before, "sockets without a lease");
        expect(open_descriptors_of(ring) <= 1, "no more than a ring");
    }));
}

TEST_CASE("a lease that listens gives its descriptor to the acceptor",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        asio::io_context context;
        const std::size_t before = sockets().size();
        port_lease lease = berth::find_unused_port({.backend = which});
        expect_equal(sockets().size(), before + 1, "sockets with a lease");
        {
            const auto acceptor = std::move(lease).listen(context.get_executor());
            expect_equal(sockets().size(), before + 1, "sockets with its acceptor");
        }
        expect_equal(sockets().size(), before, "sockets without");
    }));
}

TEST_CASE("a search that finds nothing leaves no descriptor", "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const std::size_t before = sockets().size();
        const port_lease taken = berth::find_unused_port({.backend = which});
        const find_options only{.transports = transports::both,
                                .ports = port_range{taken.port(), taken.port()},
                                .backend = which};
        std::error_code ec;
        for (int i = 0; i < 20; ++i) {
            (void)berth::find_unused_port(only, ec);
            expect(ec == berth::error::ports_exhausted, "a lease: " + ec.message());
        }
        asio::io_context context;
        for (std::size_t i = 0; i < batch; ++i)
            berth::async_find_unused_port(
                context.get_executor(), only,
                [&](const std::error_code& one, const port_lease&) {
                    expect(one == berth::error::ports_exhausted,
                           "a lease: " + one.message());
                });
        context.run();
        expect_equal(sockets().size(), before + 1, "sockets");
    }));
}

// --- where descriptors run out ---------------------------------------------------------

TEST_CASE("a set for which there are too few descriptors is given back whole",
          "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(transports::tcp, transports::both);
    INFO("transports " << int(wanted));
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        constexpr std::size_t ports = 8;
        const find_options options{.transports = wanted, .backend = which};
        const std::size_t needed = ports * descriptors_of_lease(wanted);
        const std::size_t spare = 4; // for what is opened and closed while one is found
        (void)find_batch(batch, options); // opens what is kept for good
        const std::size_t before = sockets().size();
        bool found = false;
        for (std::size_t left = 0; left <= needed + spare && !found; ++left) {
            const std::string where = " with " + std::to_string(left) + " descriptors";
            std::error_code ec;
            std::vector<port_lease> leases;
            {
                const full_table full(left);
                leases = berth::find_unused_ports(ports, options, ec);
            }
            found = !ec;
            if (found) {
                expect(left >= needed, "a set is refused" + where);
                expect_equal(sockets().size(), before + needed, "sockets" + where);
                break;
            }
            expect(ec == std::errc::too_many_files_open,
                   "EMFILE" + where + ": " + ec.message());
            expect(leases.empty(), "no lease" + where);
            expect_equal(sockets().size(), before, "sockets" + where);
            expect_equal(exhaust_by_bind("0.0.0.0", reuse::nothing).size(),
                         std::size_t{narrow.size()}, "ports that are free" + where);
        }
        expect(found, "a set is found where there are descriptors enough");
    }));
}

TEST_CASE(
    "of a batch for which there are too few descriptors each lease is whole or none",
    "[linux][lifetime]")
{
    BERTH_EACH_BACKEND(which);
    const auto wanted = GENERATE(transports::tcp, transports::both);
    INFO("transports " << int(wanted));
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const find_options options{.transports = wanted, .backend = which};
        const std::size_t each = descriptors_of_lease(wanted);
        (void)find_batch(batch, options);
        const std::size_t before = sockets().size();
        for (std::size_t left = 0; left <= batch * each; ++left) {
            const std::string where = " with " + std::to_string(left) + " descriptors";
            asio::io_context context;
            std::vector<port_lease> granted;
            std::size_t refused = 0;
            {
                const full_table full(left);
                for (std::size_t i = 0; i < batch; ++i)
                    berth::async_find_unused_port(
                        context.get_executor(), options,
                        [&](const std::error_code& ec, port_lease lease) {
                            if (!ec)
                                granted.push_back(std::move(lease));
                            else if (ec == std::errc::too_many_files_open)
                                ++refused;
                        });
                context.run();
            }
            expect_equal(granted.size() + refused, batch, "answers" + where);
            expect(granted.size() * each <= left, "no more than there are" + where);
            expect_equal(sockets().size(), before + granted.size() * each,
                         "sockets" + where);
            for (const port_lease& lease : granted)
                if (wanted == transports::tcp)
                    expect_still_held(lease);
            granted.clear();
            expect_equal(sockets().size(), before, "sockets afterwards" + where);
        }
        expect_equal(exhaust_by_bind("0.0.0.0", reuse::nothing).size(),
                     std::size_t{narrow.size()}, "ports that are free");
    }));
}

TEST_CASE(
    "where the system has no file left in the midst of a set it is given back whole",
    "[linux][lifetime]")
{
    // Sockets that a ring opens are no system calls, which a filter could refuse.
    BERTH_PASSES(in_network(narrow, [&] {
        const find_options options{.transports = transports::both,
                                   .backend = backend::syscalls};
        (void)berth::find_unused_ports(8, options);
        const std::size_t before = sockets().size();
        elsewhere([&] {
            forbid_sockets(SOCK_DGRAM, ENFILE);
            for (int i = 0; i < 50; ++i) {
                std::error_code ec;
                const auto leases = berth::find_unused_ports(8, options, ec);
                expect(ec == std::errc::too_many_files_open_in_system,
                       "a set: " + ec.message());
                expect(leases.empty(), "no lease");
                const port_lease lease = berth::find_unused_port(options, ec);
                expect(ec == std::errc::too_many_files_open_in_system,
                       "a lease: " + ec.message());
                expect(!lease.valid(), "an empty lease");
            }
            expect_equal(exhaust_by_bind("0.0.0.0", reuse::nothing).size(),
                         std::size_t{narrow.size()}, "ports that are free");
            // The channel of this process takes the place of its parent's.
            expect_equal(sockets().size(), before + 1, "sockets");
        });
    }));
}
