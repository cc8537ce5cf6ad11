// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "backend.hpp"
#include "candidate_ports.hpp"
#include "holder_groups.hpp"
#include "holder_list.hpp"
#include "set_search.hpp"
#include "waiting_line.hpp"

#include <berth/detail/request.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

    [[nodiscard]] backend_choice& backends() noexcept { return backends_; }

    /// The ports that such a request searches, or why it searches none, for a message.
    [[nodiscard]] std::string searched(const std::optional<port_set>& ports,
                                       bool browser_safe) const;

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
    [[nodiscard]] port_lease make_lease(const found_port& found, bool may_linger);
    [[nodiscard]] bool is_left_to_system(const std::optional<port_set>& ports,
                                         bool browser_safe) const noexcept;
    [[nodiscard]] port_hunt hunt(const std::optional<port_set>& ports,
                                 bool browser_safe = false, std::uint16_t preferred = 0);
    [[nodiscard]] std::shared_ptr<candidate_ports>
    candidates(const port_set& ports, bool browser_safe, const port_pattern& pattern = 1);
    void run_instead(const port_backend& failed, request& asked,
                     const std::error_code& failure, counters& tally);
    void run_on(port_backend& through, std::span<request* const> batch);

    backend_choice backends_;
    const port_range ephemeral_range_;
    const std::vector<port_range> reserved_ports_;
    const std::string environment_; // the value of BERTH_PORT_RANGE
    std::error_code environment_error_;
    const port_set default_ports_;
    const std::optional<std::uint32_t> worker_; // our number, where a test runner tells
    const bool have_ipv6_;
    const bool have_ipv6_loopback_;
    holder_groups groups_;

    std::atomic<std::uint64_t> drops_closed_ =
        0; // as port_backend::close_all_dropped() said

    waiting_line line_;

    std::mutex mutex_;
    std::vector<std::shared_ptr<candidate_ports>> candidates_; // last used first
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
