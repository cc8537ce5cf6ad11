// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "backend.hpp"
#include "candidate_sets.hpp"
#include "fork_registry.hpp"
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

    /// Returns the requests that wait for a port; null where there is no allocator yet, and so
    /// none waits.
    [[nodiscard]] static waiting_line* line() noexcept;

    /// Binds a socket of the caller's and returns the port.
    [[nodiscard]] std::uint16_t
    bind(native_socket socket, const asio::ip::address& address, std::error_code& ec);

    [[nodiscard]] backend_choice& backends() noexcept { return backends_; }

    /// Returns what was searched, for a message; null where there is no allocator yet.
    [[nodiscard]] static const candidate_sets* searched() noexcept;

private:
    allocator() = default;
    ~allocator() = default;

    static void returned(std::uint16_t port) noexcept;
    static void forget_parents() noexcept;

    void run(std::span<request* const> batch);
    void run_on(port_backend& through, std::span<request* const> batch);
    [[nodiscard]] allocation prepare(const request& asked, const socket_spec& only);
    void find_set(port_backend& through, request& asked,
                  std::span<const socket_spec> sockets);
    [[nodiscard]] bool have_ipv6();

    const std::uint32_t generation_ = fork_generation();
    backend_choice backends_;
    candidate_sets candidates_;
    std::atomic<bool> have_ipv6_ = false; // it may come, and then it stays
    waiting_line line_;
};

} // namespace berth::detail
