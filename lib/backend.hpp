// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "counters.hpp"
#include "lease_holder.hpp"
#include "port_hunt.hpp"

#include <berth/backend.hpp>
#include <berth/detail/native_socket.hpp>
#include <berth/detail/request.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace berth::detail {

/// The most allocations that go through a back end at once.
inline constexpr std::size_t max_batch = 64;

/// One request on its way through a back end.
struct allocation {
    product what;
    asio::ip::address address;
    bool ipv6_only;  // where the address is `[::]`
    bool beside_own; // the same lease has the port on another address of the family
    lease_mode mode;
    bool listen;
    int backlog;
    port_hunt hunt;

    [[nodiscard]] bool is_lease() const noexcept
    {
        return what == product::lease || what == product::udp_lease;
    }

    [[nodiscard]] bool is_udp() const noexcept
    {
        return what == product::udp_socket || what == product::udp_lease;
    }

    // The answer. Where `ec` is set nothing is open.
    std::error_code ec = {};
    std::uint16_t port = 0;
    std::uint32_t handle = 0;  // of a lease: what the back end knows the holder by
    unique_socket socket = {}; // the other products
};

/// Adds up what a hunt has tried.
inline void tally_tries(const port_hunt& hunt, counters& tally) noexcept
{
    tally.tried += hunt.tries();
    tally.refused += hunt.refusals();
}

/// One way of opening and binding sockets. Threads: any.
class port_backend : public lease_holder {
public:
    /// Answers at most `max_batch` allocations. An error returned says that the back end could
    /// take none of them, for want of descriptors or memory, and that they are as they were.
    [[nodiscard]] virtual std::error_code run(std::span<allocation> batch) noexcept = 0;

    /// Ends what close_soon() was told before.
    virtual void close_dropped() noexcept {}

    /// The same, also for what is on its way to its end on another thread.
    virtual void close_all_dropped() noexcept {}
};

/// The system's plain way: POSIX system calls, or Winsock.
[[nodiscard]] std::unique_ptr<port_backend> make_system_backend();
inline constexpr backend system_backend =
    BERTH_WINDOWS ? backend::winsock : backend::syscalls;

/// Throws std::system_error that names the call which failed.
[[nodiscard]] std::unique_ptr<port_backend> make_uring_backend();

/// Which back ends this process has. Threads: any.
class backend_choice {
public:
    backend_choice();

    /// The back end for an option; null, with the error, where it is not available. It notes
    /// where another one takes the place of io_uring.
    [[nodiscard]] port_backend* choose(backend which, std::error_code& ec,
                                       counters& tally) noexcept;

    /// The back end that takes over from `failed`, which could take nothing for the reason `why`;
    /// null where the option leaves no choice. It notes it.
    [[nodiscard]] port_backend* instead_of(const port_backend* failed, backend which,
                                           const std::error_code& why,
                                           counters& tally) noexcept;

    [[nodiscard]] std::vector<backend_status> status();

    /// As port_backend::close_dropped() and close_all_dropped().
    void close_dropped() noexcept;
    void close_all_dropped() noexcept;

    /// Why the error is backend_unavailable.
    [[nodiscard]] std::string why_unavailable(backend which);

    /// As lease_holder::disown().
    void disown() noexcept;

private:
    [[nodiscard]] backend resolve(backend which) const noexcept;
    [[nodiscard]] port_backend* uring(std::error_code& ec) noexcept;

    const std::unique_ptr<port_backend> system_;
    std::string environment_; // the value of BERTH_BACKEND
    bool environment_valid_ = true;
    backend preferred_ = backend::automatic; // what `automatic` stands for

    std::mutex mutex_;
    std::unique_ptr<port_backend> uring_;
    std::string uring_reason_; // why there is none
    int uring_attempts_ = 0;   // that failed for want of memory
    std::atomic<port_backend*> uring_there_ = nullptr;
    std::atomic<bool> uring_absent_ = false; // for good
};

} // namespace berth::detail
