// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "foreign.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace berth::soak {

namespace {

struct socket_address {
    sockaddr_storage bytes = {};
    socklen_t size = sizeof(bytes);

    sockaddr* data() { return reinterpret_cast<sockaddr*>(&bytes); }

    [[nodiscard]] std::uint16_t port() const
    {
        return ntohs(bytes.ss_family == AF_INET6
                         ? reinterpret_cast<const sockaddr_in6&>(bytes).sin6_port
                         : reinterpret_cast<const sockaddr_in&>(bytes).sin_port);
    }
};

socket_address make_address(const asio::ip::address& address, std::uint16_t port)
{
    socket_address made;
    if (address.is_v6()) {
        auto& to = reinterpret_cast<sockaddr_in6&>(made.bytes);
        to.sin6_family = AF_INET6;
        to.sin6_port = htons(port);
        std::memcpy(&to.sin6_addr, address.to_v6().to_bytes().data(), 16);
        made.size = sizeof(to);
    } else {
        auto& to = reinterpret_cast<sockaddr_in&>(made.bytes);
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(address.to_v4().to_uint());
        made.size = sizeof(to);
    }
    return made;
}

std::uint16_t port_of(int socket)
{
    socket_address own;
    return ::getsockname(socket, own.data(), &own.size) == 0 ? own.port() : 0;
}

detail::unique_socket open_socket(const asio::ip::address& address, bool udp)
{
    const int family = address.is_v6() ? AF_INET6 : AF_INET;
    detail::unique_socket opened(
        ::socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
    if (opened.get() == detail::no_socket)
        shared->fail(std::string("a foreign socket(): ") + std::strerror(errno));
    return opened;
}

void reset_at_close(int socket)
{
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

} // namespace

asio::ip::address any_address(generator& chance)
{
    switch (pick(chance, 5)) {
    case 0:
        return asio::ip::address_v4::loopback();
    case 1:
        return asio::ip::make_address_v4("127.0.0.2");
    case 2:
        return asio::ip::address_v6::loopback();
    case 3:
        return asio::ip::address_v4::any();
    default:
        return asio::ip::address_v6::any();
    }
}

asio::ip::address any_address_in(generator& chance, cells where)
{
    static const std::array<asio::ip::address, 3> addresses = {
        asio::ip::address_v4::loopback(), asio::ip::make_address_v4("127.0.0.2"),
        asio::ip::address_v6::loopback()};
    const auto covered = unsigned(where | where >> (cells_of_port / 2));
    std::size_t i = pick(chance, unsigned(addresses.size()));
    for (std::size_t tries = 1; tries < addresses.size(); ++tries)
        if ((covered >> i & 1U) == 0)
            i = (i + 1) % addresses.size();
    return addresses[i];
}

asio::ip::address address_to_reach(const asio::ip::address& bound)
{
    if (!bound.is_unspecified())
        return bound;
    if (bound.is_v6())
        return asio::ip::address_v6::loopback();
    return asio::ip::address_v4::loopback();
}

std::uint16_t any_port(generator& chance)
{
    const port_range from = once_in(chance, 8) ? wide : narrow;
    return static_cast<std::uint16_t>(from.first + pick(chance, from.size()));
}

std::optional<foreign_socket> bind_foreign(const asio::ip::address& address,
                                           std::uint16_t port, bool udp,
                                           ledger::reuse options)
{
    detail::unique_socket socket = open_socket(address, udp);
    const int on = 1;
    if (options.address)
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (options.port)
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));

    socket_address wanted = make_address(address, port);
    const std::uint64_t asked = shared->now();
    if (::bind(socket.get(), wanted.data(), wanted.size) != 0) {
        if (errno != EADDRINUSE)
            shared->fail(std::string("a foreign bind(): ") + std::strerror(errno));
        shared->count(counter::foreign_refused);
        return std::nullopt;
    }
    shared->count(counter::foreign_binds);
    options.any_port = port == 0;
    const cells where = cells_of(address, false, udp);
    const std::uint16_t got = port_of(socket.get());
    const cells written = shared->foreign_got(got, where, where, options, asked,
                                              port == 0 ? "bind(0)" : "bind()");
    return foreign_socket(std::move(socket), got, written);
}

std::optional<foreign_socket> connect_foreign(const asio::ip::address& address,
                                              std::uint16_t to)
{
    detail::unique_socket socket = open_socket(address, false);
    // A listener that accepts nothing would keep us.
    const timeval patience = {.tv_sec = 0, .tv_usec = 200'000};
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience,
                       sizeof(patience));
    socket_address there = make_address(address, to);
    const std::uint64_t asked = shared->now();
    if (::connect(socket.get(), there.data(), there.size) != 0) {
        if (errno != EADDRNOTAVAIL && errno != ECONNREFUSED && errno != ECONNRESET &&
            errno != EINPROGRESS)
            shared->fail(std::string("a foreign connect(): ") + std::strerror(errno));
        shared->count(counter::foreign_refused);
        return std::nullopt;
    }
    shared->count(counter::foreign_connects);
    // connect() steps over a port that anybody has bound, on whatever address. That the client has
    // it is not written down: it loses it when its peer resets the connection.
    const std::uint16_t got = port_of(socket.get());
    (void)shared->foreign_got(got, tcp_cells, 0, {.any_port = true}, asked, "connect()");
    return foreign_socket(std::move(socket), got, 0);
}

void be_foreign(generator chance)
{
    constexpr std::size_t most_sockets = 10;
    constexpr std::uint16_t first_server = 30000; // in neither range
    const auto server_port = static_cast<std::uint16_t>(first_server + my_slot);
    const auto server =
        bind_foreign(asio::ip::address_v6::any(), server_port, false, {.address = true});
    if (!server || ::listen(server->get(), 64) != 0)
        shared->fail("a foreign server cannot start");

    struct possession {
        detail::unique_socket accepted; // the other end of a connection
        foreign_socket socket;          // is closed first
    };
    std::vector<possession> mine;
    while (!shared->over && server) {
        ++shared->processes[my_slot].progress;
        if (mine.size() >= most_sockets || (!mine.empty() && once_in(chance, 3))) {
            std::swap(mine[pick(chance, unsigned(mine.size()))], mine.back());
            mine.pop_back();
        }
        std::optional<foreign_socket> got;
        detail::unique_socket accepted;
        const unsigned way = pick(chance, 10);
        if (way < 2) {
            const auto to = once_in(chance, 2)
                                ? asio::ip::address(asio::ip::address_v4::loopback())
                                : asio::ip::address_v6::loopback();
            got = connect_foreign(to, server_port);
            if (got) {
                accepted = detail::unique_socket(
                    ::accept4(server->get(), nullptr, nullptr, SOCK_CLOEXEC));
                // A connection that is reset leaves nothing in TIME_WAIT, of which the narrow
                // range bears little.
                if (!once_in(chance, 100)) {
                    reset_at_close(got->get());
                    reset_at_close(accepted.get());
                }
            }
        } else {
            const ledger::reuse options = {.address = once_in(chance, 2),
                                           .port = once_in(chance, 3)};
            const bool udp = once_in(chance, 3);
            const std::uint16_t port = way < 5 ? std::uint16_t(0) : any_port(chance);
            got = bind_foreign(any_address(chance), port, udp, options);
            if (got && !udp && once_in(chance, 2))
                (void)::listen(got->get(), 4); // refused where another one listens
        }
        if (got)
            mine.push_back({std::move(accepted), std::move(*got)});
        // What is asked without a pause leaves the others no processor.
        (void)::poll(nullptr, 0, static_cast<int>(pick(chance, 3)));
    }
}

} // namespace berth::soak
