// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "candidate_ports.hpp"

#include "browser_ports.hpp"

#include <algorithm>
#include <bitset>

namespace berth::detail {

namespace {

// One take in so many looks at a busy port although there are fresh ones: often enough to notice
// in time what others gave back, seldom enough to cost nothing.
constexpr std::uint32_t busy_probe_interval = 64;

constexpr std::size_t all_ports = 65536;

// The ports with which the pattern can begin.
std::vector<std::uint16_t> eligible(const port_set& ports,
                                    std::span<const port_range> reserved,
                                    bool browser_safe, const port_pattern& pattern)
{
    std::bitset<all_ports> allowed;
    for (const port_range range : ports.ranges())
        for (std::uint32_t port = range.first; port <= range.last; ++port)
            allowed[port] =
                !browser_safe || !blocked_by_browsers(static_cast<std::uint16_t>(port));
    for (const port_range range : reserved)
        for (std::uint32_t port = range.first; port <= range.last; ++port)
            allowed[port] = false;

    std::vector<std::uint16_t> found;
    std::size_t in_a_row = 0;
    for (std::size_t port = all_ports; port-- > 1;) {
        in_a_row = allowed[port] ? in_a_row + 1 : 0;
        bool fits = in_a_row >= (pattern.is_block() ? pattern.size() : 1) &&
                    port % pattern.divisor() == 0;
        for (std::size_t i = 0; fits && pattern.has_offsets() && i < pattern.size();
             ++i) {
            const std::size_t other = port + pattern.offset(i);
            fits = other < all_ports && allowed[other];
        }
        if (fits)
            found.push_back(static_cast<std::uint16_t>(port));
    }
    return found;
}

// Where a worker begins among so many ports. Multiples of the golden ratio, modulo 1, lie far apart
// however many there are (Knuth, The Art of Computer Programming, vol. 3, section 6.4). The random
// part keeps a process from the ports of the one that had its number before, some of which may not
// be free again at once.
std::size_t first_place(std::uint32_t worker, std::size_t count, std::minstd_rand& random)
{
    constexpr std::uint32_t golden_ratio =
        2654435769;                         // times 2 to the power of 32, modulo 1
    constexpr std::size_t random_part = 64; // one in so many
    const std::uint32_t fraction = worker * golden_ratio;
    const auto place = static_cast<std::size_t>((std::uint64_t{fraction} * count) >> 32U);
    return (place + random() % (count / random_part + 1)) % count;
}

} // namespace

candidate_ports::candidate_ports(const port_set& ports,
                                 std::span<const port_range> reserved,
                                 std::minstd_rand random, std::uint16_t ephemeral,
                                 bool browser_safe, std::optional<std::uint32_t> worker,
                                 const port_pattern& pattern)
    : ports_(ports), browser_safe_(browser_safe),
      pattern_(pattern), range_{ports.ranges().front().first, ports.ranges().back().last},
      fresh_(range_.size()), busy_(fresh_ + 1), links_(range_.size() + 2U)
{
    for (index at = 0; at < links_.size(); ++at)
        links_[at] = {at, at};

    // connect() first chooses source ports as even or odd as the first of the ephemeral range
    // (__inet_hash_connect() in the kernel's net/ipv4/inet_hashtables.c): the others collide
    // less with clients.
    const bool client_is_odd = ephemeral % 2 != 0;
    std::vector<std::uint16_t> all = eligible(ports, reserved, browser_safe, pattern);
    const auto clients = std::partition(all.begin(), all.end(), [&](std::uint16_t port) {
        return (port % 2 != 0) != client_is_odd;
    });
    for (const auto part :
         {std::span(all.begin(), clients), std::span(clients, all.end())}) {
        if (worker && !part.empty()) {
            std::ranges::shuffle(part, std::minstd_rand());
            const auto place = first_place(*worker, part.size(), random);
            std::rotate(part.begin(), part.begin() + std::ptrdiff_t(place), part.end());
        } else {
            std::ranges::shuffle(part, random);
        }
        for (const std::uint16_t port : part)
            append(fresh_, index(port - range_.first));
    }
    size_ = all.size();
}

std::uint16_t candidate_ports::take(const std::vector<bool>& tried) noexcept
{
    const std::lock_guard lock(mutex_);
    const bool busy_first = ++taken_ % busy_probe_interval == 0;
    if (const auto port = take_from(busy_first ? busy_ : fresh_, tried))
        return port;
    return take_from(busy_first ? fresh_ : busy_, tried);
}

bool candidate_ports::take_port(std::uint16_t port) noexcept
{
    const std::lock_guard lock(mutex_);
    if (!range_.contains(port))
        return false;
    const auto at = index(port - range_.first);
    if (links_[at].next == at)
        return false;
    make_busy(at);
    return true;
}

void candidate_ports::unlink(index at) noexcept
{
    const link was = links_[at];
    links_[was.previous].next = was.next;
    links_[was.next].previous = was.previous;
}

void candidate_ports::append(index ring, index at) noexcept
{
    const index last = links_[ring].previous;
    links_[at] = {last, ring};
    links_[last].next = at;
    links_[ring].previous = at;
}

void candidate_ports::give_back(std::uint16_t port) noexcept
{
    const std::lock_guard lock(mutex_);
    const auto at = index(port - range_.first);
    if (links_[at].next == at)
        return; // no candidate
    unlink(at);
    append(fresh_, at);
}

std::size_t candidate_ports::fresh() noexcept
{
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (index at = links_[fresh_].next; at != fresh_; at = links_[at].next)
        ++count;
    return count;
}

void candidate_ports::make_busy(index at) noexcept
{
    unlink(at);
    append(busy_, at);
}

std::uint16_t candidate_ports::take_from(index ring,
                                         const std::vector<bool>& tried) noexcept
{
    for (index at = links_[ring].next; at != ring; at = links_[at].next) {
        if (!tried.empty() && tried[at])
            continue;
        make_busy(at);
        return static_cast<std::uint16_t>(range_.first + at);
    }
    return 0;
}

} // namespace berth::detail
