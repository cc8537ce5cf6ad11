// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "leases.hpp"
#include "process.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <string>
#include <vector>

// What a fork meets in the midst of: other threads at work, a signal, a handler of the program's
// own, a fork of which the C library tells nobody.

using berth::backend;
using berth::find_options;
using berth::lease_mode;
using berth::port_lease;
using berth::port_range;
using berth::transports;
using namespace berth::testing;

namespace {

constexpr port_range narrow = {44000, 44199};
constexpr std::size_t batch = 16;
constexpr int patience_milliseconds = 20'000;

/// Gives the child 0 and the parent the child's id, as fork() does.
using fork_function = pid_t (*)();

pid_t fork_by_clone()
{
    return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

struct way_to_fork {
    const char* name;
    fork_function fork; // none: the C library has no such function
};

/// fork(), and what skips the handlers of pthread_atfork().
std::vector<way_to_fork> ways_to_fork()
{
    return {
        {"fork()", &::fork},
        {"_Fork()", reinterpret_cast<fork_function>(::dlsym(RTLD_DEFAULT, "_Fork"))},
        {"clone()", &fork_by_clone},
    };
}

/// Runs a function in the child of a fork. The framework belongs to the parent: nothing of it may
/// run in the child, not even its end.
pid_t start_child(fork_function fork, const std::function<void()>& body)
{
    std::fflush(nullptr);
    const pid_t id = fork();
    if (id < 0)
        throw std::runtime_error("fork: " + error_name(errno));
    if (id > 0)
        return id;
    for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGILL})
        ::signal(signal, SIG_DFL);
    int status = 0;
    try {
        body();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "in a child: %s\n", e.what());
        status = 1;
    }
    ::_exit(status);
}

/// Waits for the end of a child and returns its status. Kills it and throws where it does not end.
int status_of_end(pid_t id)
{
    const int process = static_cast<int>(::syscall(SYS_pidfd_open, id, 0));
    pollfd end = {.fd = process, .events = POLLIN, .revents = 0};
    const bool ended = ::poll(&end, 1, patience_milliseconds) > 0;
    ::close(process);
    if (!ended)
        ::kill(id, SIGKILL);
    int status = 0;
    while (::waitpid(id, &status, 0) < 0 && errno == EINTR) {
    }
    expect(ended, "a child ends");
    return status;
}

void expect_success(pid_t id)
{
    const int status = status_of_end(id);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child succeeds");
}

/// What a child may do with leases of its own.
void use_a_little(backend which)
{
    port_lease own = berth::find_unused_port({.backend = which});
    expect_still_held(own);
    own.seal();
    expect_still_held(own);
    expect_equal(find_batch(batch, {.backend = which}).size(), batch, "a batch");
    const std::uint16_t port = own.release();
    expect_equal(try_bind("127.0.0.1", port, reuse::nothing), "ok",
                 "a socket on a port that a child has given back");
}

/// Repeats a piece of work in threads of its own until it is stopped.
class workers {
public:
    workers(int count, const std::function<void()>& work)
    {
        for (int i = 0; i < count; ++i)
            threads_.push_back(std::async(std::launch::async, [this, work] {
                while (!stopped_) {
                    work();
                    ++rounds_;
                }
            }));
    }
    workers(const workers&) = delete;
    workers& operator=(const workers&) = delete;
    ~workers() { stopped_ = true; } // the futures wait for the threads

    /// Waits until the work has been done so often.
    void wait_for(unsigned rounds) const
    {
        expect(eventually([&] { return rounds_ >= rounds || any_ended(); }),
               "threads are at work");
    }

    /// Stops them. Throws what a piece of work has thrown.
    void stop()
    {
        stopped_ = true;
        for (auto& thread : threads_)
            thread.get();
        threads_.clear();
    }

private:
    [[nodiscard]] bool any_ended() const
    {
        for (const auto& thread : threads_)
            if (thread.wait_for(std::chrono::seconds(0)) == std::future_status::ready)
                return true;
        return false;
    }

    std::atomic<bool> stopped_ = false;
    std::atomic<unsigned> rounds_ = 0;
    std::vector<std::future<void>> threads_;
};

/// Children of this process that live on until it lets them go.
class crowd {
public:
    crowd()
    {
        if (::pipe2(there_.data(), O_CLOEXEC) != 0)
            throw std::runtime_error("pipe2: " + error_name(errno));
    }
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;
    ~crowd()
    {
        may_end_.lift();
        for (const pid_t one : children_)
            (void)::waitpid(one, nullptr, 0);
        for (const int end : there_)
            ::close(end);
    }

    /// Adds a child by fork(), which begins with this function.
    void add(const std::function<void()>& body = [] {})
    {
        children_.push_back(start_child(&::fork, [&] {
            end_with_parent();
            std::string verdict = "+";
            try {
                body();
            } catch (const std::exception& e) {
                std::fprintf(stderr, "in a child: %s\n", e.what());
                verdict = "-";
            }
            (void)!::write(there_[1], verdict.data(), verdict.size());
            may_end_.wait();
        }));
    }

    /// Waits until so many have come back from fork() and from that function. Throws unless all went
    /// well.
    void expect_there(std::size_t count) const
    {
        std::size_t failed = 0;
        for (std::size_t i = 0; i < count; ++i) {
            pollfd line = {.fd = there_[0], .events = POLLIN, .revents = 0};
            char verdict = 0;
            expect(::poll(&line, 1, patience_milliseconds) > 0 &&
                       ::read(there_[0], &verdict, 1) == 1,
                   "every child comes back from fork()");
            failed += verdict == '+' ? 0U : 1U;
        }
        expect_equal(failed, std::size_t{0}, "children that failed");
    }

private:
    std::array<int, 2> there_ = {-1, -1};
    barrier may_end_;
    std::vector<pid_t> children_;
};

/// The numbers of all descriptors of this process that are bound to a port.
std::vector<int> descriptors_on(std::uint16_t port)
{
    std::vector<int> found;
    for (int number = 0; number < 1024; ++number) {
        sockaddr_in6 name = {};
        socklen_t size = sizeof(name);
        auto* const generic = reinterpret_cast<sockaddr*>(&name);
        // The port is at the same place in both families.
        if (::getsockname(number, generic, &size) == 0 &&
            (name.sin6_family == AF_INET || name.sin6_family == AF_INET6) &&
            ntohs(name.sin6_port) == port)
            found.push_back(number);
    }
    return found;
}

/// Whether this process has a ring, as a descriptor or as memory.
bool has_ring()
{
    if (open_descriptors_of(ring) != 0)
        return true;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.find(ring) != std::string::npos)
            return true;
    return false;
}

} // namespace

#define BERTH_EACH_WAY_TO_FORK(way)                                                      \
    const way_to_fork way = GENERATE(from_range(ways_to_fork()));                        \
    INFO("the child is made by " << way.name);                                           \
    if (way.fork == nullptr)                                                             \
    BERTH_SKIP(std::string("this C library has no ") + way.name)

// --- while other threads are at work ---------------------------------------------------

TEST_CASE("no child keeps a port that another thread finds or gives back at its fork",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    const bool in_batches = GENERATE(false, true);
    const bool by_destructor = GENERATE(false, true);
    INFO((in_batches ? "in batches, " : "one by one, ")
         << (by_destructor ? "destructor" : "release()"));
    BERTH_PASSES(in_network(narrow, [&] {
        need(which);
        const find_options options{.backend = which};
        std::vector<port_lease> kept; // found at a fork, given back when all are there
        int round = 0;
        workers others(1, [&] {
            auto found =
                in_batches ? find_batch(batch, options) : std::vector<port_lease>();
            if (!in_batches)
                found.push_back(berth::find_unused_port(options));
            if (++round % 4 == 0 && kept.size() < 100) {
                kept.push_back(std::move(found.back()));
                found.pop_back();
            }
            if (!by_destructor)
                for (port_lease& lease : found)
                    lease.release();
        });
        others.wait_for(1);
        constexpr std::size_t count = 200;
        crowd children;
        for (std::size_t i = 0; i < count; ++i)
            children.add();
        others.stop();
        children.expect_there(count);
        kept.clear();
        expect_equal(exhaust_by_bind("0.0.0.0", reuse::nothing).size(),
                     std::size_t{narrow.size()}, "ports that are free");
    }));
}

TEST_CASE("no child keeps a ring that another thread makes at its fork", "[linux][forks]")
{
    BERTH_NEEDS_FORKS_BESIDE_THREADS();
    BERTH_PASSES(in_network(narrow, [&] {
        elsewhere([] { need(backend::io_uring); });
        for (int i = 0; i < 300; ++i) {
            // Each time a process that has no ring, and a fork at another moment.
            elsewhere([i] {
                std::atomic<int> begun = 0;
                crowd children;
                std::vector<std::future<std::vector<port_lease>>> threads;
                for (int j = 0; j < 2; ++j)
                    threads.push_back(std::async(std::launch::async, [&] {
                        ++begun;
                        return find_batch(batch, {.backend = backend::io_uring});
                    }));
                for (int spins = 0; begun == 0 || spins < i % 100 * 1000;)
                    spins += begun;
                constexpr std::size_t count = 3;
                for (std::size_t j = 0; j < count; ++j)
                    children.add([] { expect(!has_ring(), "no ring in a child"); });
                for (auto& thread : threads)
                    expect_equal(thread.get().size(), batch, "leases");
                children.expect_there(count);
            });
        }
    }));
}

namespace {

/// A context that exit() destroys.
asio::io_context& static_context()
{
    static asio::io_context context;
    return context;
}

/// Asks for a batch of leases in it, and helps with whatever is pending there.
void use_static_context(backend which)
{
    asio::io_context& context = static_context();
    for (std::size_t i = 0; i < batch; ++i)
        berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                      [](const std::error_code& ec, const port_lease&) {
                                          expect(!ec, "a lease: " + ec.message());
                                      });
    context.restart();
    context.run();
}

} // namespace

TEST_CASE("a child ends by exit() whatever another thread does in a static context",
          "[linux][forks]")
{
    BERTH_NEEDS_FORKS_BESIDE_THREADS();
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        (void)static_context();
        // One: of several some wait in Asio's scheduler, whose destructor then waits for them.
        workers others(1, [which] { use_static_context(which); });
        others.wait_for(1);
        for (int i = 0; i < 20; ++i)
            (void)status_of_end(start_child(&::fork, [] { std::exit(0); }));
        others.stop();
    }));
}

TEST_CASE("a fork ends whatever eight threads find and give back", "[linux][forks]")
{
    BERTH_NEEDS_FORKS_BESIDE_THREADS();
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const port_lease mine = berth::find_unused_port({.backend = which});
        workers others(8, [which] {
            (void)berth::find_unused_port({.backend = which});
            (void)find_batch(batch, {.backend = which});
        });
        others.wait_for(8);
        for (int i = 0; i < 50; ++i)
            expect_success(start_child(&::fork, [which] { use_a_little(which); }));
        others.stop();
        expect_still_held(mine);
    }));
}

// --- without the C library's handlers --------------------------------------------------

TEST_CASE("a lease outlives the copy that a child drops, however the child was made",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_WAY_TO_FORK(way);
    const bool uses_berth = GENERATE(false, true);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        std::vector<port_lease> leases = find_batch(batch, {.backend = which});
        for (const auto mode : {lease_mode::open, lease_mode::sealed})
            for (int i = 0; i < 4; ++i)
                leases.push_back(
                    berth::find_unused_port({.mode = mode, .backend = which}));
        for (int i = 0; i < 4; ++i)
            leases.push_back(berth::find_unused_port(
                {.transports = transports::both, .backend = which}));

        for (int i = 0; i < 3; ++i) {
            expect_success(start_child(way.fork, [&] {
                for (std::size_t at = 0; at < leases.size(); at += 2)
                    leases[at].release();
                if (uses_berth)
                    use_a_little(which);
                leases.clear();
                if (uses_berth)
                    use_a_little(which);
            }));
            for (const port_lease& lease : leases)
                expect_still_held(lease);
        }
        for (port_lease& lease : leases) {
            lease.mode() == lease_mode::open ? lease.seal() : lease.open();
            expect_still_held(lease);
            expect_free(lease.release());
        }
        use_a_little(which);
    }));
}

TEST_CASE("the copy of a lease closes no file that has its descriptor's number",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_WAY_TO_FORK(way);
    const auto wanted = GENERATE(transports::tcp, transports::both);
    INFO("transports " << int(wanted));
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        std::vector<port_lease> leases =
            find_batch(batch, {.transports = wanted, .backend = which});
        leases.push_back(
            berth::find_unused_port({.transports = wanted, .backend = which}));
        std::vector<int> numbers;
        for (const port_lease& lease : leases)
            for (const int number : descriptors_on(lease.port()))
                numbers.push_back(number);
        expect(numbers.size() >= leases.size(), "each lease has a descriptor");

        const auto open_files_and_drop = [&] {
            const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
            expect(file >= 0, "open");
            for (const int number : numbers)
                expect_equal(::dup2(file, number), number, "dup2");
            leases[0].release();
            leases[1] = port_lease();
            leases.clear();
            for (const int number : numbers)
                expect_equal(std::filesystem::read_symlink("/proc/self/fd/" +
                                                           std::to_string(number))
                                 .string(),
                             "/dev/null",
                             "the file with number " + std::to_string(number));
        };
        expect_success(start_child(way.fork, open_files_and_drop));
        expect_success(start_child(way.fork, [&] {
            expect_success(start_child(way.fork, open_files_and_drop));
        }));
        for (const port_lease& lease : leases)
            expect_still_held(lease);
    }));
}

TEST_CASE("a child of a child touches neither its parent's leases nor theirs before",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_WAY_TO_FORK(way);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        auto first = find_batch(batch, {.backend = which});
        expect_success(start_child(way.fork, [&] {
            auto second = find_batch(batch, {.backend = which});
            expect_success(start_child(way.fork, [&] {
                first.front().release();
                second.front().release();
                use_a_little(which);
                first.clear();
                second.clear();
                use_a_little(which);
            }));
            for (const port_lease& lease : second)
                expect_still_held(lease);
            for (const port_lease& lease : first)
                expect_equal(try_bind("127.0.0.1", lease.port(), reuse::nothing),
                             "EADDRINUSE", "a socket on a port of the first process");
            for (port_lease& lease : second)
                expect_free(lease.release());
            first.clear();
        }));
        for (port_lease& lease : first) {
            expect_still_held(lease);
            expect_free(lease.release());
        }
    }));
}

TEST_CASE("a port is free at once although children and their children live on",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        auto leases =
            find_batch(batch, {.transports = transports::both, .backend = which});
        constexpr std::size_t count = 3;
        crowd children;
        for (std::size_t i = 0; i < count; ++i)
            children.add([&] { children.add(); });
        children.expect_there(2 * count);
        for (port_lease& lease : leases)
            expect_free(lease.release());
    }));
}

// --- in a signal handler ---------------------------------------------------------------

namespace {

std::atomic<fork_function> fork_of_signals = nullptr;
std::atomic<int> forks_in_signals = 0;
std::atomic<int> forks_that_failed = 0;

void fork_in_signal(int)
{
    const int error = errno;
    const pid_t id = fork_of_signals.load()();
    if (id == 0)
        ::_exit(0);
    id > 0 ? ++forks_in_signals : ++forks_that_failed;
    errno = error;
}

} // namespace

TEST_CASE("a fork in a signal that interrupts a search ends and changes nothing",
          "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_WAY_TO_FORK(way);
    // fork() itself waits for the locks of malloc() where there are several threads.
    const int threads = way.fork == &::fork ? 0 : GENERATE(0, 2);
    INFO(threads << " other threads");
    BERTH_PASSES(in_quiet_network([&] {
        need(which);
        const port_lease mine = berth::find_unused_port({.backend = which});
        const auto dozen = find_batch(batch, {.backend = which});

        constexpr int wanted = 200;
        fork_of_signals = way.fork;
        struct sigaction act = {};
        act.sa_handler = &fork_in_signal;
        act.sa_flags = SA_RESTART;
        ::sigaction(SIGALRM, &act, nullptr);
        ::signal(SIGCHLD, SIG_IGN); // nobody waits for the children
        workers others(threads, [which] {
            (void)berth::find_unused_port({.backend = which});
            (void)find_batch(batch, {.backend = which});
        });
        for (int i = 0; forks_in_signals < wanted && i < 100'000; ++i) {
            // A signal each time, for a fork may take longer than any period.
            const itimerval once = {.it_interval = {}, .it_value = {0, 20 + i % 50 * 10}};
            ::setitimer(ITIMER_REAL, &once, nullptr);
            (void)berth::find_unused_port({.backend = which});
            expect_equal(find_batch(batch, {.backend = which}).size(), batch, "leases");
        }
        const itimerval never = {};
        ::setitimer(ITIMER_REAL, &never, nullptr);
        others.stop();
        expect_equal(forks_that_failed.load(), 0, "forks that failed");
        expect(forks_in_signals >= wanted, "forks");

        expect_still_held(mine);
        for (const port_lease& lease : dozen)
            expect_still_held(lease);
        use_a_little(which);
    }));
}

// --- among handlers of the program's own -----------------------------------------------

namespace {

/// When a program calls pthread_atfork(): before any library can, before it uses berth, after.
enum class moment { start, before_use, after_use };

/// What handlers of pthread_atfork() that use leases work with; nothing happens while there is none.
struct handlers_work {
    backend which;
    port_lease across; // from before the fork until after it, in both processes
    std::string failure;
};

std::atomic<handlers_work*> at_work = nullptr;
std::atomic<moment> at_work_since = moment::start;

template <moment Registered, class Body>
void in_handler(const char* name, const Body& body)
{
    handlers_work* const work = at_work;
    if (work == nullptr || at_work_since != Registered)
        return;
    try {
        port_lease passing = berth::find_unused_port({.backend = work->which});
        expect(passing.release() != 0, "a lease");
        body(*work);
    } catch (const std::exception& e) {
        work->failure = std::string(name) + ": " + e.what();
    }
}

template <moment Registered>
void register_handlers()
{
    const int error = ::pthread_atfork(
        [] {
            in_handler<Registered>("prepare", [](handlers_work& work) {
                work.across = berth::find_unused_port({.backend = work.which});
            });
        },
        [] {
            in_handler<Registered>("parent",
                                   [](handlers_work& work) { work.across.release(); });
        },
        [] {
            in_handler<Registered>("child", [](handlers_work& work) {
                work.across = port_lease();
                use_a_little(work.which);
            });
        });
    if (error != 0)
        throw std::runtime_error("pthread_atfork: " + error_name(error));
}

[[gnu::constructor(101)]] void register_at_start()
{
    register_handlers<moment::start>();
}

} // namespace

TEST_CASE("handlers of a fork may find and give back leases", "[linux][forks]")
{
    BERTH_EACH_BACKEND(which);
    const auto registered =
        GENERATE(moment::start, moment::before_use, moment::after_use);
    const int threads = GENERATE(0, 2);
    INFO("registered at moment " << int(registered) << ", " << threads << " threads");
    if (threads != 0)
        BERTH_NEEDS_FORKS_BESIDE_THREADS();
    BERTH_PASSES(in_network(narrow, [&] {
        elsewhere([&] { need(which); });
        if (registered == moment::before_use)
            register_handlers<moment::before_use>();
        const port_lease mine = berth::find_unused_port({.backend = which});
        if (registered == moment::after_use)
            register_handlers<moment::after_use>();

        handlers_work work{.which = which, .across = {}, .failure = {}};
        workers others(threads, [which] {
            (void)berth::find_unused_port({.backend = which});
            (void)find_batch(batch, {.backend = which});
        });
        crowd children;
        constexpr std::size_t count = 10;
        at_work_since = registered;
        at_work = &work;
        for (std::size_t i = 0; i < count; ++i) {
            children.add([&] {
                expect_equal(work.failure, "", "the handlers of a child");
                at_work = nullptr;
                use_a_little(which);
            });
            expect_equal(work.failure, "", "the handlers of the parent");
        }
        at_work = nullptr;
        others.stop();
        children.expect_there(count);
        expect_still_held(mine);
        expect_equal(exhaust_by_bind("0.0.0.0", reuse::nothing).size(),
                     std::size_t{narrow.size() - 1U}, "ports that are free");
    }));
}
