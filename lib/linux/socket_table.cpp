// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "socket_table.hpp"

#include "../posix/last_error.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

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

void send_request(int netlink, int family, std::uint16_t port, std::uint32_t states)
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
    if (::send(netlink, &request, sizeof(request), 0) < 0)
        fail(errno);
}

// Returns the next part of the answer.
std::span<const char> receive(int netlink, std::span<char> buffer)
{
    ssize_t received = 0;
    do
        received = ::recv(netlink, buffer.data(), buffer.size(), MSG_TRUNC);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        fail(errno);
    const auto size = static_cast<std::size_t>(received);
    if (size > buffer.size())
        fail(EMSGSIZE);
    return buffer.first(size);
}

// Passes each socket of a part to `take`; false at the end of the answer.
template <class Take>
bool read(std::span<const char> part, Take&& take)
{
    while (part.size() >= NLMSG_HDRLEN) {
        const auto header = read_as<nlmsghdr>(part.data());
        const char* const body = part.data() + NLMSG_HDRLEN;
        if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > part.size())
            fail(EBADMSG);
        if (header.nlmsg_type == NLMSG_ERROR)
            fail(-read_as<nlmsgerr>(body).error);
        if (header.nlmsg_type == NLMSG_DONE) {
            // A dump that came to nothing, as where the kernel has no tcp_diag, says so here.
            if (const int error = read_as<int>(body); error < 0)
                fail(-error);
            return false;
        }
        take(read_as<inet_diag_msg>(body));
        part = part.subspan(
            std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), part.size()));
    }
    return true;
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
    send_request(netlink_.get(), family, port, states);
    std::array<char, 32768> buffer; // as much as the kernel gives at once
    const auto take = [&](const inet_diag_msg& socket) {
        // Of sockets that are only bound the kernel reports every one, whatever its port.
        if (socket.idiag_family == family && socket.id.idiag_sport == htons(port))
            found.push_back({as_port_state(socket.idiag_state), socket.idiag_inode});
    };
    while (read(receive(netlink_.get(), buffer), take)) {
    }
}

} // namespace berth::detail
