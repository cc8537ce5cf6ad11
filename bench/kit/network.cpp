// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "network.hpp"

#include "support/network.hpp"
#include "ways/way.hpp"

#include <berth/port_range.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <span>
#include <system_error>

namespace bench {

namespace {

constexpr berth::port_range default_range = {32768, 60999};
constexpr std::size_t ports_each = 8192;

void hold(std::uint16_t port)
{
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    address.sin_port = ::htons(port);
    if (socket == -1 ||
        ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
        throw std::system_error(errno, std::system_category(),
                                "holding port " + std::to_string(port));
    // Closed when the process ends.
}

} // namespace

void enter_private_network()
{
    const std::string reason = berth::testing::enter_private_network(default_range);
    if (!reason.empty())
        throw not_possible_here(reason);
}

void need_descriptors(std::size_t count)
{
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, count);
    limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
        throw not_possible_here("a process may not have " + std::to_string(count) +
                                " descriptors (ulimit -Hn)");
}

std::string to_string(spread how)
{
    return how == spread::by_bind ? "taken by bind to port 0" : "taken by chance";
}

crowd::crowd(unsigned percent, spread how)
{
    std::vector<std::uint16_t> ports;
    for (unsigned port = default_range.first; port <= default_range.last; ++port)
        ports.push_back(static_cast<std::uint16_t>(port));
    std::ranges::shuffle(ports, std::minstd_rand(percent + 1));
    if (how == spread::by_bind)
        std::ranges::stable_partition(ports, [](std::uint16_t port) {
            return port % 2 != default_range.first % 2;
        });
    std::span<const std::uint16_t> left =
        std::span(ports).first(ports.size() * percent / 100);

    while (!left.empty()) {
        const auto share = left.first(std::min(ports_each, left.size()));
        holders_.push_back(std::make_unique<helper>([share]() -> helper::service {
            need_descriptors(ports_each + 64);
            std::ranges::for_each(share, hold);
            return [](const nlohmann::json&) { return nlohmann::json(); };
        }));
        left = left.subspan(share.size());
    }
}

} // namespace bench
