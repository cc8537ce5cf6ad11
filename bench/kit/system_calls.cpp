// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "system_calls.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace bench {

namespace {

// In a child, which stops before and after each system call.
std::size_t count_system_calls(const way& which, const task& its)
{
    const pid_t child = ::fork();
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
            ::_exit(1);
        ::raise(SIGSTOP);
        try {
            which.run(its);
        } catch (const std::exception&) {
            ::_exit(1);
        }
        ::_exit(0);
    }

    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status))
        throw not_possible_here("system calls are not counted: ptrace is not allowed");
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
             PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    std::size_t stops = 0;
    int pass_on = 0;
    for (;;) {
        ::ptrace(PTRACE_SYSCALL, child, nullptr, pass_on);
        if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            break;
        const bool at_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        stops += at_call ? 1 : 0;
        pass_on = at_call ? 0 : WSTOPSIG(status);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw not_possible_here("system calls are not counted: " + which.name +
                                " failed while it was watched");
    return stops / 2;
}

} // namespace

double system_calls_each(const way& which, task its)
{
    // The difference of two runs leaves out what is done once.
    its.latencies = nullptr;
    const std::size_t once = count_system_calls(which, its);
    its.operations *= 2;
    const std::size_t twice = count_system_calls(which, its);
    return static_cast<double>(twice - once) / (static_cast<double>(its.operations) / 2);
}

} // namespace bench
