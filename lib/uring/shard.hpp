// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../backend.hpp"
#include "../posix/socket_address.hpp"
#include "ring.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <system_error>
#include <vector>

namespace berth::detail {

/// A ring with its table of direct descriptors, used by one thread at a time. A lease's holder
/// is a direct descriptor and so costs none of the process's own; all that is asked for at once
/// goes to the kernel in one submission for each round of tries, and one before for the
/// descriptors of bound sockets.
///
/// Every operation used here completes while it is submitted (io_socket(), io_bind(),
/// io_listen(), io_connect() of a datagram socket, io_uring_cmd_sock(), io_install_fixed_fd() and io_close() in the kernel's
/// io_uring/ never go to a worker), so that waiting for completions does not wait.
class shard {
public:
    static constexpr unsigned max_slots = 4096;

    /// Throws std::system_error that names the call which failed.
    explicit shard(bool ipv6_only_by_default);

    [[nodiscard]] std::mutex& mutex() noexcept { return mutex_; }

    /// Leaves a slot to be closed by run() or close_dropped(). Without the mutex.
    void close_soon(unsigned slot) noexcept;

    /// Whether there are such slots. Without the mutex.
    [[nodiscard]] bool any_dropped() const noexcept
    {
        return any_dropped_.load(std::memory_order_relaxed);
    }

    // All that follows wants the mutex held.

    [[nodiscard]] bool has_room(std::size_t slots) noexcept;

    /// Closes the slots that were left to be closed.
    void close_dropped() noexcept;

    /// Why the kernel refused a submission. Of what is in the slots nothing can be done any more.
    [[nodiscard]] std::error_code broken() const noexcept { return broken_; }

    /// Answers each allocation; there must be room for the leases. A lease's handle is its slot. An error
    /// returned says that the kernel took no request at all.
    [[nodiscard]] std::error_code run(std::span<allocation> batch) noexcept;

    void close(unsigned slot) noexcept;
    [[nodiscard]] std::error_code set_mode(unsigned slot, bool udp,
                                           lease_mode mode) noexcept;
    [[nodiscard]] unique_socket install(unsigned slot, std::error_code& ec) noexcept;

    /// For the child of a fork; without the mutex.
    void disown() noexcept { ring_.disown(); }

private:
    // Where a request stands in its chain, which tells what its failure leaves behind.
    enum class stage : std::uint8_t {
        open,   // no socket
        bind,   // a socket, to be tried with another port
        finish, // a socket, of no use any more
        close,  // nothing
    };

    struct attempt {
        unsigned slot = 0;    // of a lease
        unique_socket socket; // of the other products, once it is opened
        port_hunt::step step;
        socket_address address;
        socket_address peer; // of a holder of UDP
        bool opened = false;
        bool waiting = false; // a completion is due
        bool answered = false;
        stage reached = stage::open;
        int result = 0;
    };

    void advance(std::size_t number, std::span<attempt> attempts,
                 allocation& asked) noexcept;
    void queue(std::size_t number, attempt& one, const allocation& asked) noexcept;
    void queue_close(unsigned slot) noexcept;
    void queue_dropped() noexcept;
    void submit(std::span<attempt> attempts) noexcept;
    static void learn(attempt& one, allocation& asked) noexcept;
    void give_up(attempt& one, allocation& asked) noexcept;
    [[nodiscard]] int submit_single() noexcept;

    std::mutex mutex_;
    const bool ipv6_only_by_default_;
    const unsigned slots_;
    ring ring_;
    std::vector<std::uint16_t> free_slots_;
    std::error_code
        broken_; // the kernel refused a submission: what is queued stays queued
    std::array<attempt, max_batch> attempts_; // of run()

    std::mutex dropping_;
    std::vector<std::uint16_t> dropped_; // guarded by dropping_
    std::vector<std::uint16_t> closing_; // what was dropped, on its way to the kernel
    std::atomic<bool> any_dropped_ = false;
};

} // namespace berth::detail
