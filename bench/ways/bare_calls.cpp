// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "candidates.hpp"
#include "kit/check.hpp"
#include "original.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

// The system calls that berth makes for an open lease on every address, on the same kind of
// candidates, with nothing around them.

namespace bench {

namespace {

void allocate(candidates& ports)
{
    const open_socket socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    check(socket.get(), "socket");

    const int off = 0;
    check(::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)),
          "setsockopt");

    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    do
        address.sin6_port = ::htons(ports.next());
    while (::bind(socket.get(), generic, sizeof(address)) != 0 && errno == EADDRINUSE);

    const int on = 1;
    for (const int option : {SO_REUSEADDR, SO_REUSEPORT})
        check(::setsockopt(socket.get(), SOL_SOCKET, option, &on, sizeof(on)),
              "setsockopt");
}

} // namespace

way bare_calls_way()
{
    return {"bare calls", [ports = std::make_shared<candidates>(1)](const task& its) {
                one_by_one(its, [&] { allocate(*ports); });
            }};
}

} // namespace bench
