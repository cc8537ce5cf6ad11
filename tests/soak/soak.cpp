// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "agent.hpp"
#include "foreign.hpp"
#include "ledger.hpp"
#include "network.hpp"
#include "worker.hpp"

#include <berth/find_port_owner.hpp>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Processes that use everything berth offers at random, against each other and against foreign
// binders, in a network of their own. It passes where no port was lost, no two had the same one,
// no descriptor is left, and every port is free in the end.

namespace {

using namespace std::chrono_literals;
using namespace berth::soak;
using clock = std::chrono::steady_clock;

constexpr int skipped = 77; // as Meson knows it

struct settings {
    unsigned seconds = 600;
    unsigned processes = 16;
    unsigned seed = std::random_device{}();
};

settings parse(int argc, char** argv)
{
    settings wanted;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
        unsigned* const number = name == "--seconds"     ? &wanted.seconds
                                 : name == "--processes" ? &wanted.processes
                                 : name == "--seed"      ? &wanted.seed
                                                         : nullptr;
        const char* const end = value.data() + value.size();
        if (number == nullptr || value.empty() ||
            std::from_chars(value.data(), end, *number).ptr != end ||
            wanted.processes == 0 || wanted.processes > 96) {
            std::fprintf(stderr,
                         "usage: soak [--seconds N] [--processes 1-96] [--seed N]\n");
            std::exit(2);
        }
    }
    return wanted;
}

/// A process of the soak, one after the other in the same slot of the ledger.
class member {
public:
    member(unsigned slot, bool foreign, unsigned seed)
        : slot_(slot), foreign_(foreign), seed_(seed)
    {}

    void start()
    {
        ledger::process_state& state = shared->processes[slot_];
        ++state.generation; // what the one before has left is not its word any more
        state.dying = false;
        std::fflush(nullptr);
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ < 0) {
            std::perror("fork");
            std::exit(1);
        }
        if (pid_ > 0) {
            progress_at_ = clock::now();
            return;
        }
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (::getppid() != parent)
            std::_Exit(1);
        my_slot = slot_;
        my_generation = static_cast<std::uint16_t>(state.generation);
        std::seed_seq seed = {seed_, slot_, unsigned(my_generation)};
        if (foreign_)
            be_foreign(generator(seed));
        else
            be_worker(generator(seed));
        std::exit(0); // with what berth and the sanitizers have to say
    }

    /// Takes note of its end, if it has ended.
    void look()
    {
        int status = 0;
        if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_)
            ended(status);
    }

    void kill()
    {
        shared->processes[slot_].dying = true;
        ::kill(pid_, SIGKILL);
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        ended(status);
    }

    /// Whether it has done nothing for too long.
    [[nodiscard]] bool hangs()
    {
        const std::uint64_t progress = shared->processes[slot_].progress;
        if (std::exchange(progress_, progress) != progress)
            progress_at_ = clock::now();
        return pid_ > 0 && clock::now() - progress_at_ > 90s;
    }

    void report_hang() const
    {
        std::string doing;
        for (const std::uint8_t one : shared->processes[slot_].doing)
            if (one != 0)
                doing += std::string(doing.empty() ? " " : ", ") +
                         agent::actions()[one - 1U].name;
        shared->fail("process " + std::to_string(slot_) + " (" + std::to_string(pid_) +
                     ") hangs, in" + (doing.empty() ? " nothing" : doing));
    }

    [[nodiscard]] bool runs() const { return pid_ > 0; }
    [[nodiscard]] bool foreign() const { return foreign_; }

private:
    void ended(int status)
    {
        pid_ = -1;
        const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
                            shared->processes[slot_].dying;
        if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
            shared->fail("process " + std::to_string(slot_) + " ended badly: status " +
                         std::to_string(status));
    }

    unsigned slot_;
    bool foreign_;
    unsigned seed_;
    pid_t pid_ = -1;
    std::uint64_t progress_ = 0;
    clock::time_point progress_at_;
};

/// Waits until a child ends, or a moment.
void wait_a_moment()
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    const timespec moment = {.tv_sec = 0, .tv_nsec = 20'000'000};
    (void)::sigtimedwait(&child, nullptr, &moment);
}

/// Waits for the end of what killed processes had forked.
void reap_orphans()
{
    const auto end = clock::now() + 30s;
    for (;;) {
        const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
        if (ended < 0) // there are none
            return;
        if (clock::now() > end) {
            shared->fail("a child of a killed process does not end");
            return;
        }
        if (ended == 0)
            wait_a_moment();
    }
}

void run(const settings& wanted)
{
    const unsigned foreign = std::max(1U, wanted.processes / 4);
    std::vector<member> members;
    for (unsigned i = 0; i < wanted.processes + foreign; ++i)
        members.emplace_back(i + 1, i >= wanted.processes, wanted.seed);
    for (member& one : members)
        one.start();

    generator chance(wanted.seed);
    const auto end = clock::now() + std::chrono::seconds(wanted.seconds);
    auto next_kill = clock::now() + 1s;
    while (clock::now() < end && shared->failures < 100) {
        wait_a_moment();
        for (member& one : members) {
            one.look();
            if (one.hangs()) {
                one.report_hang();
                one.kill();
            }
            if (!one.runs())
                one.start();
        }
        if (clock::now() > next_kill) {
            member& victim = members[pick(chance, wanted.processes)];
            if (victim.runs()) {
                victim.kill();
                shared->count(counter::kills);
            }
            next_kill =
                clock::now() + std::chrono::milliseconds(100 + pick(chance, 1500));
        }
    }

    shared->over = true;
    for (member& one : members) {
        while (one.runs()) {
            wait_a_moment();
            one.look();
            if (one.hangs()) {
                one.report_hang();
                one.kill();
            }
        }
    }
    reap_orphans();
}

/// True if no socket has the port. Ended connections, which the kernel remembers for a minute, do not
/// count.
bool is_free(std::uint16_t port, unsigned& remembered)
{
    for (const bool udp : {false, true}) {
        const bool free =
            bind_foreign(asio::ip::address_v6::any(), port, udp, {}).has_value();
        if (free)
            continue;
        std::error_code ec;
        if (udp || berth::find_port_owner(port, ec).state != berth::port_state::time_wait)
            return false;
        ++remembered;
    }
    return true;
}

/// Fails the soak for each port that is not free: all that had one have ended. Returns how many the
/// kernel remembers.
unsigned check_all_free()
{
    unsigned remembered = 0;
    for (const berth::port_range range : {narrow, wide})
        for (unsigned port = range.first; port <= range.last; ++port)
            if (!is_free(static_cast<std::uint16_t>(port), remembered))
                shared->fail("port " + std::to_string(port) + " is not free in the end");
    return remembered;
}

void print_summary(unsigned remembered)
{
    static constexpr const char* names[] = {
        "dead ports",      "thefts reported",  "leaks reported",
        "leaks meant",     "releases",         "moves",
        "drops",           "cancelled",        "cancelled too late",
        "served",          "ports granted",    "exhausted",
        "with wait",       "waits in vain",    "candidates refused",
        "contexts",        "contexts stopped", "processes ended",
        "kills",           "foreign binds",    "foreign connects",
        "foreign refused", "foreign shared",
    };
    static_assert(std::size(names) == std::size_t(counter::count_));
    const auto actions = agent::actions();
    for (std::size_t i = 0; i < actions.size(); ++i)
        std::printf("%s %llu, ", actions[i].name,
                    static_cast<unsigned long long>(shared->ran[i]));
    for (std::size_t i = 0; i < std::size(names); ++i)
        std::printf("%s %llu, ", names[i],
                    static_cast<unsigned long long>(shared->counts[i]));
    std::printf("ports in TIME_WAIT at the end %u, conflicts %llu, failures %llu\n",
                remembered, static_cast<unsigned long long>(shared->conflicts),
                static_cast<unsigned long long>(shared->failures));
}

} // namespace

int main(int argc, char** argv)
{
    const settings wanted = parse(argc, argv);
    std::printf("soak --seconds %u --processes %u --seed %u\n", wanted.seconds,
                wanted.processes, wanted.seed);
    if (const std::string why_not = berth::testing::enter_private_network(narrow);
        !why_not.empty()) {
        std::printf("skipped: %s\n", why_not.c_str());
        return skipped;
    }
    shared = &ledger::make();
    // Those whom killed processes had forked become ours.
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr); // for sigtimedwait()

    run(wanted);
    const unsigned remembered = check_all_free();
    const auto meant = shared->counts[std::size_t(counter::leaks_meant)].load();
    const auto heard = shared->counts[std::size_t(counter::leaks)].load();
    if (heard > meant || meant - heard > shared->counts[std::size_t(counter::kills)])
        shared->fail("of " + std::to_string(meant) + " leaks " + std::to_string(heard) +
                     " were reported");
    print_summary(remembered);
    return shared->failures == 0 ? 0 : 1;
}
