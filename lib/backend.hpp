// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "port_hunt.hpp"
#include "socket_spec.hpp"

#include <berth/backend.hpp>
#include <berth/detail/native_socket.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace berth::detail {

/// The most sockets that go through a back end at once: 64 cost a twentieth more than 32, for so many
/// open sockets leave the processor's caches.
inline constexpr std::size_t max_batch = 32;

/// One socket on its way through a back end.
struct allocation {
    socket_spec spec;
    port_hunt hunt;

    // The answer. Where `ec` is set nothing is open.
    std::error_code ec = {};
    std::uint16_t port = 0;
    unique_socket socket = {};

    std::error_code said = {}; // by the last bind()
};

/// One way of opening and binding sockets. Threads: any.
class port_backend {
public:
    port_backend() = default;
    port_backend(const port_backend&) = delete;
    port_backend& operator=(const port_backend&) = delete;
    virtual ~port_backend() = default;

    /// Answers at most `max_batch` allocations.
    virtual void run(std::span<allocation> batch) noexcept = 0;

    /// Returns whether it works in this process, and why not. It may try what it has not tried
    /// yet.
    [[nodiscard]] virtual backend_status status() = 0;

    /// Returns status() as an error, without its reason.
    [[nodiscard]] virtual std::error_code check() noexcept { return {}; }
};

/// Makes the back end of the system's plain calls: POSIX, or Winsock.
[[nodiscard]] std::unique_ptr<port_backend> make_system_backend();
inline constexpr backend system_backend =
    BERTH_WINDOWS ? backend::winsock : backend::syscalls;

/// Makes the back end that opens and binds batches through io_uring; null where berth was built without.
[[nodiscard]] std::unique_ptr<port_backend> make_uring_backend();

/// The back ends of this process. Threads: any.
class backend_choice {
public:
    backend_choice();

    /// Returns the back end for an option; null, with the error, where it is not available.
    [[nodiscard]] port_backend* choose(backend which, std::error_code& ec) noexcept;

    [[nodiscard]] std::vector<backend_status> status();

    /// Returns why the error is backend_unavailable.
    [[nodiscard]] std::string why_unavailable(backend which);

private:
    [[nodiscard]] backend resolve(backend which) const noexcept;

    const std::unique_ptr<port_backend> system_;
    const std::unique_ptr<port_backend> uring_; // null where berth was built without it
    std::string environment_;                   // the value of BERTH_BACKEND
    bool environment_valid_ = true;
    backend preferred_ = backend::automatic; // what `automatic` stands for
};

} // namespace berth::detail
