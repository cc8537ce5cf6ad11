// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "ledger.hpp"

#include <berth/berth.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

// What the agents of a process hold, each with its record in the ledger.

namespace berth::soak {

struct held_lease : held<port_lease> {
    // The cells of the socket that would listen; none if none would, or if it is unknown which.
    cells first = 0;

    held_lease(port_lease lease, record where, cells would_listen)
        : held(std::move(lease), std::move(where)), first(would_listen)
    {}
};
using held_acceptor = held<asio::ip::tcp::acceptor>;
using held_client = held<asio::ip::tcp::socket>;
using held_udp = held<asio::ip::udp::socket>;
using held_hole = held<black_hole>;
using held_socket = std::variant<held_acceptor, held_client, held_udp, held_hole>;

/// The number of ports that this process was granted.
extern std::atomic<std::uint64_t> granted_here;

/// Counts ports of this process, and of the soak.
void count_granted(std::uint64_t ports = 1);

/// Writes down a lease that was found, and checks it.
[[nodiscard]] record note(const port_lease& lease, const find_options& options,
                          std::uint64_t asked);

/// Returns the cells of the socket that listens where such a lease does.
[[nodiscard]] cells first_cells_of(const find_options& options);

/// Leases that outlive their contexts.
class survivors {
public:
    void add(held_lease&& one)
    {
        const std::lock_guard lock(mutex_);
        all_.push_back(std::move(one));
    }

    [[nodiscard]] std::optional<held_lease> take()
    {
        const std::lock_guard lock(mutex_);
        if (all_.empty())
            return std::nullopt;
        held_lease one = std::move(all_.back());
        all_.pop_back();
        return one;
    }

    void clear()
    {
        const std::lock_guard lock(mutex_);
        all_.clear();
    }

private:
    std::mutex mutex_;
    std::vector<held_lease> all_;
};

} // namespace berth::soak
