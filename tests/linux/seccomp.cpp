// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "seccomp.hpp"

#include "process.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

namespace berth::testing {

namespace {

// The rest of a type is SOCK_CLOEXEC and SOCK_NONBLOCK.
constexpr unsigned type_mask = 0xf;

void install(std::vector<sock_filter> program)
{
    const sock_fprog filter = {.len = static_cast<unsigned short>(program.size()),
                               .filter = program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        throw not_possible_here(std::string("no seccomp filter: ") +
                                std::strerror(errno));
}

unsigned refusal(int error)
{
    return SECCOMP_RET_ERRNO | static_cast<unsigned>(error);
}

} // namespace

void forbid(unsigned call, int error)
{
    install({
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, refusal(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    });
}

void forbid_sockets(int type, int error)
{
    // The lower half of the second argument, which comes first on little-endian machines.
    install({
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, type_mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(type), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, refusal(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    });
}

} // namespace berth::testing
