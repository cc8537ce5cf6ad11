// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "network.hpp"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace berth::testing {

namespace {

std::string failure(const char* what)
{
    return std::string(what) + ": " + std::strerror(errno);
}

bool raise_loopback()
{
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request = {};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool up = ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
    ::close(socket);
    return up;
}

} // namespace

std::string enter_private_network(port_range ephemeral)
{
    const int flags = ::geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;
    if (::unshare(flags) != 0)
        return failure("no network namespace: unshare");
    if (!raise_loopback())
        return failure("no loopback device in the namespace: SIOCSIFFLAGS");
    std::ofstream file("/proc/sys/net/ipv4/ip_local_port_range");
    file << ephemeral.first << ' ' << ephemeral.last << std::flush;
    if (!file)
        return failure("the namespace's ip_local_port_range cannot be written");
    return {};
}

} // namespace berth::testing
