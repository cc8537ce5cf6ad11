// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "original.hpp"

#include "child.hpp"
#include "talk.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace load {

namespace {

void check(int result, const char* call)
{
    if (result == -1)
        throw std::system_error(errno, std::system_category(), call);
}

} // namespace

std::uint16_t find_unused_port_originally()
{
    const descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    check(socket.get(), "socket");

    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    check(::bind(socket.get(), generic, size), "bind");
    check(::getsockname(socket.get(), generic, &size), "getsockname");
    return ::ntohs(address.sin_port);
}

asio::ip::tcp::acceptor bind_originally(const asio::any_io_executor& executor)
{
    asio::ip::tcp::acceptor acceptor(executor, asio::ip::tcp::v4());
    acceptor.bind(loopback(0));
    acceptor.listen();
    (void)acceptor.local_endpoint();
    return acceptor;
}

} // namespace load
