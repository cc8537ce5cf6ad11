// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/port_watch.hpp>
#include <berth/wait_options.hpp>

#include <chrono>
#include <memory>

// How a port is looked at; each system has its own implementation, chosen by Meson.

namespace berth::detail {

/// Both functions throw std::system_error where the answer cannot be had, or will not come.
class port_probe {
public:
    port_probe(port_event what, watched_port port, const wait_options& options);
    port_probe(const port_probe&) = delete;
    port_probe& operator=(const port_probe&) = delete;
    ~port_probe();

    /// Whether what is waited for is so.
    [[nodiscard]] bool look();

    /// Sleeps so long, or until the child ends.
    void sleep(std::chrono::steady_clock::duration time);

private:
    struct state;
    const std::unique_ptr<state> state_;
};

} // namespace berth::detail
