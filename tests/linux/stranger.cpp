// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "stranger.hpp"

#include "process.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <stdexcept>
#include <utility>

namespace berth::testing {

namespace {

// More than there are ports.
constexpr int many = 70'000;

struct socket_name {
    sockaddr_storage storage = {};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* data() const noexcept
    {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

bool is_v6(const std::string& address)
{
    return address.find(':') != std::string::npos;
}

socket_name name_of(const std::string& address, std::uint16_t port)
{
    socket_name name;
    int parsed = 0;
    if (is_v6(address)) {
        sockaddr_in6 v6 = {};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        parsed = ::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr);
        std::memcpy(&name.storage, &v6, sizeof(v6));
        name.size = sizeof(v6);
    } else {
        sockaddr_in v4 = {};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        parsed = ::inet_pton(AF_INET, address.c_str(), &v4.sin_addr);
        std::memcpy(&name.storage, &v4, sizeof(v4));
        name.size = sizeof(v4);
    }
    if (parsed != 1)
        throw std::invalid_argument("not an address: " + address);
    return name;
}

std::string said(int result)
{
    return result == 0 ? "ok" : error_name(errno);
}

void set(int socket, int level, int option, int value)
{
    if (::setsockopt(socket, level, option, &value, sizeof(value)) != 0)
        throw std::runtime_error("setsockopt: " + error_name(errno));
}

std::string new_secret()
{
    std::random_device random;
    return "server " + std::to_string(random()) + '-' + std::to_string(random());
}

// Waits for the client to go first, so that no TIME_WAIT is left at the server's port.
void serve(const stranger& listener, const std::string& secret)
{
    const std::string line = secret + '\n';
    for (;;) {
        const int client =
            ::accept4(listener.descriptor(), nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0)
            throw std::runtime_error("accept: " + error_name(errno));
        (void)::send(client, line.data(), line.size(), MSG_NOSIGNAL);
        char end = 0;
        (void)::recv(client, &end, 1, 0);
        ::close(client);
    }
}

} // namespace

std::string to_string(reuse options)
{
    switch (options) {
    case reuse::nothing:
        return "no option";
    case reuse::address:
        return "SO_REUSEADDR";
    case reuse::port:
        return "SO_REUSEPORT";
    case reuse::both:
        return "SO_REUSEADDR and SO_REUSEPORT";
    }
    return "?";
}

std::string error_name(int number)
{
    switch (number) {
    case EACCES:
        return "EACCES";
    case EADDRINUSE:
        return "EADDRINUSE";
    case EADDRNOTAVAIL:
        return "EADDRNOTAVAIL";
    case EAFNOSUPPORT:
        return "EAFNOSUPPORT";
    case ECONNREFUSED:
        return "ECONNREFUSED";
    case EMFILE:
        return "EMFILE";
    default:
        return std::strerror(number);
    }
}

std::vector<std::string> host_addresses()
{
    std::vector<std::string> known;
    for (const std::string address : {"127.0.0.1", "0.0.0.0", "::1", "::"}) {
        const int probe =
            ::socket(is_v6(address) ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const socket_name name = name_of(address, 0);
        if (probe >= 0 && ::bind(probe, name.data(), name.size) == 0)
            known.push_back(address);
        if (probe >= 0)
            ::close(probe);
    }
    return known;
}

std::vector<std::string> ways_to(const std::string& address)
{
    if (address == "0.0.0.0")
        return {"127.0.0.1"};
    if (address == "::")
        return {"127.0.0.1", "::1"};
    return {address};
}

stranger::stranger(const std::string& address, reuse options)
    : address_(address), socket_(::socket(is_v6(address) ? AF_INET6 : AF_INET,
                                          SOCK_STREAM | SOCK_CLOEXEC, 0))
{
    if (socket_ < 0)
        throw std::runtime_error("socket: " + error_name(errno));
    if (address == "::")
        set(socket_, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (options == reuse::address || options == reuse::both)
        set(socket_, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options == reuse::port || options == reuse::both)
        set(socket_, SOL_SOCKET, SO_REUSEPORT, 1);
    constexpr linger reset = {.l_onoff = 1, .l_linger = 0};
    (void)::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

stranger::stranger(stranger&& other) noexcept
    : address_(std::move(other.address_)), socket_(std::exchange(other.socket_, -1))
{}

stranger::~stranger()
{
    if (socket_ >= 0)
        ::close(socket_);
}

std::string stranger::bind(std::uint16_t port) const
{
    const socket_name name = name_of(address_, port);
    return said(::bind(socket_, name.data(), name.size));
}

std::string stranger::listen() const
{
    return said(::listen(socket_, SOMAXCONN));
}

std::string stranger::connect(const std::string& address, std::uint16_t port) const
{
    const socket_name name = name_of(address, port);
    return said(::connect(socket_, name.data(), name.size));
}

std::uint16_t stranger::port() const
{
    sockaddr_storage own = {};
    socklen_t size = sizeof(own);
    if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size) != 0)
        throw std::runtime_error("getsockname: " + error_name(errno));
    // The port is at the same place in both families.
    sockaddr_in as_v4 = {};
    std::memcpy(&as_v4, &own, sizeof(as_v4));
    return ntohs(as_v4.sin_port);
}

void stranger::bind_address_no_port() const
{
    set(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
}

std::string try_bind(const std::string& address, std::uint16_t port, reuse options)
{
    return stranger(address, options).bind(port);
}

std::string try_connect(const std::string& address, std::uint16_t port)
{
    return stranger(address).connect(address, port);
}

std::set<std::uint16_t> exhaust_by_bind(const std::string& address, reuse options)
{
    std::vector<stranger> all;
    std::set<std::uint16_t> ports;
    for (int i = 0; i < many; ++i) {
        stranger one(address, options);
        const std::string said = one.bind(0);
        if (said == "EADDRINUSE")
            return ports;
        expect_equal(said, "ok", "bind() to port 0");
        expect(ports.insert(one.port()).second, "bind() to port 0 gives each port once");
        all.push_back(std::move(one));
    }
    throw std::runtime_error("bind() to port 0 does not come to an end");
}

std::set<std::uint16_t> exhaust_by_connect(const std::string& address,
                                           std::uint16_t listener, reuse options,
                                           bool bind_address_first)
{
    std::vector<stranger> all;
    std::set<std::uint16_t> ports;
    for (int i = 0; i < many; ++i) {
        stranger one(address, options);
        if (bind_address_first) {
            one.bind_address_no_port();
            expect_equal(one.bind(0), "ok", "bind() that chooses no port");
        }
        const std::string said = one.connect(address, listener);
        if (said == "EADDRNOTAVAIL")
            return ports;
        expect_equal(said, "ok", "connect()");
        expect(ports.insert(one.port()).second, "connect() gives each port once");
        all.push_back(std::move(one));
    }
    throw std::runtime_error("connect() does not come to an end");
}

foreign_server::foreign_server(const std::string& address, std::uint16_t port,
                               reuse options, user who)
    : secret_(new_secret())
{
    process_ = std::make_unique<child>([&](channel& to) {
        if (who == user::other)
            become_ordinary();
        end_with_parent();
        const stranger listener(address, options);
        std::string result = listener.bind(port);
        if (result != "ok") {
            to.say("bind: " + result);
            return;
        }
        result = listener.listen();
        if (result != "ok") {
            to.say("listen: " + result);
            return;
        }
        to.say(result);
        serve(listener, secret_);
    });
    start_ = process_->line().hear();
}

void foreign_server::stop()
{
    process_.reset();
}

std::string ask(const std::string& address, std::uint16_t port)
{
    const stranger client(address);
    const std::string said = client.connect(address, port);
    if (said != "ok")
        return said;
    std::string line;
    for (char one = 0; ::recv(client.descriptor(), &one, 1, 0) == 1 && one != '\n';)
        line += one;
    return line;
}

} // namespace berth::testing
