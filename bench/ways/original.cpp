// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "original.hpp"

#include "kit/check.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench {

open_socket::~open_socket()
{
    if (fd_ != -1)
        ::close(fd_);
}

bound bind_originally(goods what)
{
    open_socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    check(socket.get(), "socket");

    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    check(::bind(socket.get(), generic, size), "bind");
    check(::getsockname(socket.get(), generic, &size), "getsockname");
    if (what == goods::acceptor)
        check(::listen(socket.get(), SOMAXCONN), "listen");
    return {std::move(socket), ::ntohs(address.sin_port)};
}

way original_way(goods what)
{
    return {"original", [what](const task& its) {
                one_by_one(its, [what] { (void)bind_originally(what); });
            }};
}

} // namespace bench
