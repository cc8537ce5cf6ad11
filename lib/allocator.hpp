// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "backend.hpp"
#include "candidate_sets.hpp"
#include "holder_groups.hpp"
#include "holder_list.hpp"
#include "set_search.hpp"
#include "waiting_line.hpp"

#include <berth/detail/request.hpp>

#include <atomic>
#include <cstdint>
#include <span>

namespace berth::detail {

/// All that the process knows of ports: the candidates and the back ends. There is one, made at
/// the first use and never destroyed, since leases may live until the very end of the program.
/// The child of a fork starts with a new one. Threads: any.
class allocator {
public:
    /// Throws std::system_error where what it must know of the system cannot be had now.
    [[nodiscard]] static allocator& instance();

    /// Answers at most `max_batch` requests.
    static void answer(std::span<request* const> batch) noexcept;

    /// As port_backend::close_dropped(), for all there are.
    static void close_dropped() noexcept;

    /// Those who wait for a port; null where there is no allocator yet, and so nobody waits.
    [[nodiscard]] static waiting_line* line() noexcept;

    /// Binds a socket of the caller's and returns the port.
    [[nodiscard]] std::uint16_t
    bind(native_socket socket, const asio::ip::address& address, std::error_code& ec);

    /// A lease gave its port back.
    void returned(std::uint16_t port) noexcept;

    /// A lease left its end to close_dropped().
    void dropped(std::uint16_t port) noexcept;

    [[nodiscard]] backend_choice& backends() noexcept { return backends_; }

    /// What was searched, for a message; null where there is no allocator yet.
    [[nodiscard]] static const candidate_sets* searched() noexcept;

private:
    allocator();
    ~allocator() = default;

    static void disown_after_fork() noexcept;
    void disown() noexcept;
    static const bool watching_forks;

    void run(std::span<request* const> batch);
    void run_once(std::span<request* const> batch);
    [[nodiscard]] bool close_all_dropped(std::uint64_t closed_before) noexcept;
    [[nodiscard]] allocation prepare(const request& asked, const holder_at& only);
    void find_set(port_backend& through, request& asked,
                  std::span<const holder_at> holders);
    void take_found(set_search& search, request& asked, bool may_linger);
    [[nodiscard]] port_lease make_lease(const found_port& found, bool may_linger);
    void run_instead(const port_backend& failed, request& asked,
                     const std::error_code& failure, counters& tally);
    void run_on(port_backend& through, std::span<request* const> batch);

    backend_choice backends_;
    candidate_sets candidates_;
    const bool have_ipv6_;
    const bool have_ipv6_loopback_;
    holder_groups groups_;

    std::atomic<std::uint64_t> drops_ = 0;        // leases that were dropped
    std::atomic<std::uint64_t> drops_closed_ = 0; // so many of them have ended

    waiting_line line_;
};

/// Makes leases, and looks into them.
struct lease_access {
    [[nodiscard]] static port_lease make(const holding& held) noexcept
    {
        port_lease lease;
        lease.held_ = held;
        return lease;
    }

    [[nodiscard]] static const holding& held(const port_lease& lease) noexcept
    {
        return lease.held_;
    }
};

} // namespace berth::detail
