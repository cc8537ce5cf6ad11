// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <array>
#include <functional>
#include <string>

namespace berth::testing {

/// A line-based connection between a parent and its child.
class channel {
public:
    explicit channel(int descriptor) : descriptor_(descriptor) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel();

    void say(const std::string& line) const;

    /// The next line of the other side; empty when it has gone. Fails the test after a minute.
    [[nodiscard]] std::string hear() const;

private:
    int descriptor_;
};

/// A forked process that runs a function and ends. To be made while the process has one thread.
class child {
public:
    explicit child(const std::function<void(channel&)>& body);
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    /// Kills the child where it was not waited for.
    ~child();

    [[nodiscard]] const channel& line() const noexcept { return channel_; }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /// Waits for the child; true when its body returned.
    bool wait();

    /// SIGKILL, and waits.
    void kill();

private:
    child(const std::function<void(channel&)>& body, std::array<int, 2> pair);

    pid_t pid_ = -1;
    channel channel_;
};

/// What a function returns in a process of its own, "died" if it did not return.
[[nodiscard]] std::string in_child(const std::function<std::string()>& body);

} // namespace berth::testing
