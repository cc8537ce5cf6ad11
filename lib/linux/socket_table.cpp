// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "socket_table.hpp"

#include "../posix/last_error.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace berth::detail {

namespace {

// Of Linux 6.8: a state to ask for, in which no socket is reported. Kernels that do not know it
// ignore the bit.
constexpr unsigned tcp_bound_inactive = 13;

constexpr std::uint32_t listening_states = 1U << TCP_LISTEN;
constexpr std::uint32_t every_state = (1U << (tcp_bound_inactive + 1)) - 1;

port_state as_port_state(unsigned kernel_state) noexcept
{
    switch (kernel_state) {
    case TCP_LISTEN:
        return port_state::listening;
    case TCP_TIME_WAIT:
        return port_state::time_wait;
    case TCP_CLOSE:
    case tcp_bound_inactive:
        return port_state::bound;
    default:
        return port_state::connected;
    }
}

[[noreturn]] void fail(int error)
{
    throw std::system_error(error, std::system_category(), "sock_diag");
}

template <class Struct>
Struct read_as(const char* from) noexcept
{
    Struct copy;
    std::memcpy(&copy, from, sizeof(copy));
    return copy;
}

} // namespace

socket_table::socket_table()
    : netlink_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG))
{
    if (netlink_.get() == no_socket)
        fail(errno);
}

std::vector<tcp_socket> socket_table::listeners(std::uint16_t port)
{
    return ask(port, listening_states);
}

std::vector<tcp_socket> socket_table::all(std::uint16_t port)
{
    return ask(port, every_state);
}

std::vector<tcp_socket> socket_table::ask(std::uint16_t port, std::uint32_t states)
{
    std::vector<tcp_socket> found;
    for (const int family : {AF_INET, AF_INET6})
        ask(family, port, states, found);
    return found;
}

void socket_table::ask(int family, std::uint16_t port, std::uint32_t states,
                       std::vector<tcp_socket>& found)
{
    struct {
        nlmsghdr header = {};
        inet_diag_req_v2 wanted = {};
    } request;
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.wanted.sdiag_family = static_cast<std::uint8_t>(family);
    request.wanted.sdiag_protocol = IPPROTO_TCP;
    request.wanted.idiag_states = states;
    request.wanted.id.idiag_sport = htons(port);
    if (::send(netlink_.get(), &request, sizeof(request), 0) < 0)
        fail(errno);

    std::array<char, 32768> answer; // as much as the kernel gives at once
    for (;;) {
        const ssize_t received =
            ::recv(netlink_.get(), answer.data(), answer.size(), MSG_TRUNC);
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0)
            fail(errno);
        const auto size = static_cast<std::size_t>(received);
        if (size > answer.size())
            fail(EMSGSIZE);
        for (std::size_t at = 0; at + NLMSG_HDRLEN <= size;) {
            const auto header = read_as<nlmsghdr>(&answer[at]);
            const char* const body = answer.data() + at + NLMSG_HDRLEN;
            if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > size - at)
                fail(EBADMSG);
            if (header.nlmsg_type == NLMSG_ERROR)
                fail(-read_as<nlmsgerr>(body).error);
            if (header.nlmsg_type == NLMSG_DONE) {
                // A dump that came to nothing, as where the kernel has no tcp_diag, says so here.
                if (const int error = read_as<int>(body); error < 0)
                    fail(-error);
                return;
            }
            const auto socket = read_as<inet_diag_msg>(body);
            found.push_back({as_port_state(socket.idiag_state), socket.idiag_inode});
            at += NLMSG_ALIGN(header.nlmsg_len);
        }
    }
}

} // namespace berth::detail
