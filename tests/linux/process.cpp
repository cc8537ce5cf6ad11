// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "process.hpp"

#include "child.hpp"
#include "neighbours.hpp"
#include "network.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

// There where the undefined behaviour sanitizer is.
extern "C" [[gnu::weak]] void __ubsan_handle_dynamic_type_cache_miss();

namespace berth::testing {

namespace {

constexpr unsigned nobody = 65534;
constexpr char passed = '+';
constexpr char failed = '-';
constexpr char skipped = '?';

void check(bool succeeded, const char* call)
{
    if (!succeeded)
        throw std::system_error(errno, std::system_category(), call);
}

rlim_t highest_descriptor()
{
    rlim_t last = 0;
    for (rlim_t number = 0; number < 1024; ++number)
        if (::fcntl(static_cast<int>(number), F_GETFD) >= 0)
            last = number;
    return last;
}

std::string end_of(const std::function<void()>& body)
{
    std::string line;
    try {
        body();
        return {passed};
    } catch (const not_possible_here& e) {
        line = skipped + std::string(e.what());
    } catch (const std::exception& e) {
        line = failed + std::string(e.what());
    }
    std::ranges::replace(line, '\n', ' ');
    return line;
}

verdict verdict_of(const std::string& line)
{
    if (line.empty() || (line[0] != passed && line[0] != failed && line[0] != skipped))
        return {"the process died", false};
    return {line.substr(1), line[0] == skipped};
}

void throw_unless_passed(const verdict& ended, const std::string& where = {})
{
    if (ended.skipped)
        throw not_possible_here(ended.text);
    if (!ended.text.empty())
        throw std::runtime_error(where + ended.text);
}

void enter_network(port_range ephemeral)
{
    const std::string why_not = enter_private_network(ephemeral);
    if (!why_not.empty())
        throw not_possible_here(why_not);
}

/// Runs a function in a process of its own beside neighbours. The present process holds them, not a
/// child of the piece: a piece that became an ordinary user could not end root's.
void beside_neighbours(const std::function<void()>& body)
{
    constexpr int of_each_kind = 3;
    // Forked first, it has none of their descriptors and nothing that the library did for them.
    child piece([&](channel& to) {
        end_with_parent();
        if (!to.hear().empty())
            to.say(end_of(body));
    });
    const neighbours all(of_each_kind, neighbour_ports.first, backend::syscalls);
    piece.line().say("they stand");
    const std::string said = piece.line().hear();
    throw_unless_passed(verdict_of(piece.wait() ? said : "died"));
}

} // namespace

verdict in_process(const std::function<void()>& body)
{
    return verdict_of(in_child([&] {
        end_with_parent();
        return end_of(body);
    }));
}

verdict in_network(port_range ephemeral, const std::function<void()>& body)
{
    return in_process([&] {
        expect(ephemeral.last < neighbour_ports.first ||
                   ephemeral.first > neighbour_ports.last,
               "the neighbours' ports are not ephemeral");
        enter_network(ephemeral);
        beside_neighbours(body);
    });
}

verdict in_quiet_network(const std::function<void()>& body)
{
    constexpr port_range usual = {32768, 60999};
    static const bool allowed = in_process([&] { enter_network(usual); }).text.empty();
    if (allowed)
        return in_network(usual, body);

    constexpr int attempts = 5;
    verdict ended = in_process(body);
    for (int i = 1; i < attempts && !ended.skipped && !ended.text.empty(); ++i)
        ended = in_process(body);
    return ended;
}

void write_network_setting(const std::string& name, const std::string& value)
{
    std::ofstream file("/proc/sys/net/ipv4/" + name);
    file << value << std::flush;
    if (!file)
        throw not_possible_here("the namespace's " + name + " cannot be written");
}

void elsewhere(const std::function<void()>& body)
{
    throw_unless_passed(in_process(body), "elsewhere: ");
}

void expect(bool holds, const std::string& what)
{
    if (!holds)
        throw std::runtime_error("not so: " + what);
}

bool eventually(const std::function<bool()>& true_now)
{
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!true_now()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::yield();
    }
    return true;
}

void need(backend which)
{
    // From Linux 6.14 on rings are charged to the user, until some time after their end.
    constexpr rlim_t enough = 1U << 20U;
    rlimit locked = {};
    if (which == backend::io_uring && ::geteuid() != 0 &&
        ::getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur < enough)
        throw not_possible_here(
            "RLIMIT_MEMLOCK is too low for the rings of many processes");
    for (const backend_status& one : available_backends())
        if (one.which == which && !one.available)
            throw not_possible_here(std::string(to_string(which)) + ": " + one.reason);
}

void become_ordinary()
{
    if (::geteuid() == 0) {
        if (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
            ::setresuid(nobody, nobody, nobody) != 0)
            throw not_possible_here(std::string("this root cannot be another user: ") +
                                    std::strerror(errno));
        // Else /proc/self would still be root's.
        check(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0, "prctl");
        return;
    }
    __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> nothing = {};
    check(::syscall(SYS_capset, &header, nothing.data()) == 0, "capset");
}

bool can_change_user()
{
    static const bool can =
        ::geteuid() == 0 && in_process([] { become_ordinary(); }).text.empty();
    return can;
}

std::size_t open_descriptors_of(const std::string& kind)
{
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone; // the one that lists the directory
        const auto link = std::filesystem::read_symlink(entry.path(), gone);
        count += link.string().find(kind) != std::string::npos ? 1U : 0U;
    }
    return count;
}

void end_with_parent()
{
    check(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "prctl");
}

soft_limit::soft_limit(resource which, rlim_t value) : which_(which)
{
    check(::getrlimit(which_, &before_) == 0, "getrlimit");
    rlimit wanted = before_;
    wanted.rlim_cur = value;
    check(::setrlimit(which_, &wanted) == 0, "setrlimit");
}

soft_limit::~soft_limit()
{
    (void)::setrlimit(which_, &before_);
}

full_table::full_table(std::size_t left)
    : limit_(RLIMIT_NOFILE, highest_descriptor() + 1 + left)
{
    if (&__ubsan_handle_dynamic_type_cache_miss != nullptr)
        throw not_possible_here("UBSan reports each virtual call as broken where it "
                                "cannot open a pipe to look at the object");
    for (;;) {
        const int filler = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        if (filler < 0)
            break;
        fillers_.push_back(filler);
    }
    if (errno != EMFILE || fillers_.size() < left)
        throw std::runtime_error("the table of descriptors cannot be filled");
    for (; left > 0; --left) {
        ::close(fillers_.back());
        fillers_.pop_back();
    }
}

full_table::~full_table()
{
    for (const int filler : fillers_)
        ::close(filler);
}

barrier::barrier()
{
    check(::pipe2(ends_.data(), O_CLOEXEC) == 0, "pipe2");
}

barrier::~barrier()
{
    ::close(ends_[0]);
    lift();
}

void barrier::lift() noexcept
{
    if (ends_[1] >= 0)
        ::close(ends_[1]);
    ends_[1] = -1;
}

void barrier::wait() noexcept
{
    lift();
    char nothing = 0;
    (void)!::read(ends_[0], &nothing, 1);
}

} // namespace berth::testing
