// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/awaitable.hpp>

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace load {

/// Owns a file descriptor.
class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(other.release()) {}
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor();

    [[nodiscard]] int get() const { return fd_; }
    int release();

private:
    int fd_ = -1;
};

/// Opens a file, close-on-exec. Throws std::system_error.
[[nodiscard]] descriptor open_file(const std::string& path, int flags);

/// What a program reads from and writes to.
struct streams {
    int in;
    int out;
    int err;
};

/// The program could not be started at all; the code says why.
struct cannot_start : std::system_error {
    using std::system_error::system_error;
};

/// A program that runs as a child of this process, and not longer than this object lives.
class child {
public:
    /// Starts it; it inherits the three streams and no other descriptor. Throws
    /// cannot_start, where it is not on the PATH with
    /// std::errc::no_such_file_or_directory. The leader of a process group takes with it
    /// what it started and left behind.
    child(const std::vector<std::string>& command, const streams& its,
          bool leads_group = false);
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool running();

    /// Exit status 0; false for one that is still running.
    [[nodiscard]] bool succeeded();

    /// "exited with 3", "was killed by signal 9", "is running".
    [[nodiscard]] std::string describe();

    /// Whether it ends within that time.
    [[nodiscard]] asio::awaitable<bool> ends_within(std::chrono::milliseconds limit);

    void kill();

    /// Asks it to end; kills it if it does not.
    [[nodiscard]] asio::awaitable<void> stop();

private:
    const bool leads_group_;
    pid_t pid_ = 0;
    std::optional<int> status_; // once it has ended
};

} // namespace load
