// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/wait_options.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <system_error>

namespace berth::detail {

class port_probe;

/// What is waited for.
enum class port_event : std::uint8_t { listening, released };

/// One wait, look by look: the part of it that all three forms share.
class port_watch {
public:
    using duration = std::chrono::steady_clock::duration;

    port_watch(port_event what, watched_port port, const wait_options& options) noexcept;
    port_watch(port_watch&& other) noexcept;
    port_watch& operator=(port_watch&&) = delete;
    ~port_watch();

    /// Looks. True when the wait is over, and how is in `ec`.
    [[nodiscard]] bool over(std::error_code& ec) noexcept;

    /// How long to pause before the next look: longer each time, never past the deadline.
    [[nodiscard]] duration pause() noexcept;

    /// Looks and sleeps until the wait is over.
    [[nodiscard]] std::error_code wait() noexcept;

    /// Closes what the looks have opened.
    void close() noexcept;

private:
    port_event what_;
    watched_port port_;
    wait_options options_;
    std::chrono::steady_clock::time_point deadline_;
    duration pause_;
    std::unique_ptr<port_probe> probe_; // opened by the first look
};

/// A std::system_error that names the verb and the port.
[[noreturn]] void throw_port_error(const std::error_code& ec, const char* verb,
                                   std::uint16_t port);

} // namespace berth::detail
