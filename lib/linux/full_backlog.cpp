// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../full_backlog.hpp"

#include "../posix/last_error.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace berth::detail {

namespace {

union any_address {
    sockaddr base;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

// As the kernel itself decides (sk_acceptq_is_full(), include/net/sock.h): from then on it drops
// each SYN, before cookies and tcp_abort_on_overflow are asked (tcp_conn_request(),
// net/ipv4/tcp_input.c). Of a listener the two numbers are those of its queue (tcp_get_info()).
bool is_full(int listener) noexcept
{
    tcp_info info = {};
    socklen_t size = sizeof(info);
    return ::getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_state == TCP_LISTEN && info.tcpi_unacked > info.tcpi_sacked;
}

// The connection is there at once, but for a kernel thread that has to finish it on a busy machine.
bool wait_until_full(int listener) noexcept
{
    constexpr int looks = 500;
    constexpr int milliseconds = 10;
    pollfd queue = {.fd = listener, .events = POLLIN, .revents = 0};
    for (int i = 0; i < looks; ++i) {
        (void)::poll(&queue, 1, milliseconds);
        if (is_full(listener))
            return true;
    }
    return false;
}

} // namespace

full_backlog fill_backlog(native_socket listener, std::error_code& ec) noexcept
{
    ec.clear();
    any_address name = {};
    socklen_t size = sizeof(name);
    if (::getsockname(listener, &name.base, &size) != 0) {
        ec = last_error();
        return {};
    }
    full_backlog made;
    made.port =
        ntohs(name.base.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
    made.filler = unique_socket(
        ::socket(name.base.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // To a wildcard it connects on the loopback address.
    if (made.filler.get() == no_socket ||
        (::connect(made.filler.get(), &name.base, size) != 0 && errno != EINPROGRESS))
        ec = last_error();
    else if (!wait_until_full(listener))
        ec = make_error_code(std::errc::not_supported);
    return made;
}

} // namespace berth::detail
