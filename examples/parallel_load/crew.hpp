// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "child.hpp"
#include "progress.hpp"
#include "settings.hpp"
#include "tally.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace load {

/// The worker processes that carry one pass of the load. A round begins for all of them
/// when the last has ended the one before. Used on one thread.
class crew {
public:
    crew(asio::any_io_executor executor, const settings& its, method with,
         progress_bar& bar);

    /// Lets them work through all rounds; returns early, with `failure()`, when one ends
    /// before its time. To be cancelled where it must end earlier still. Does not throw.
    [[nodiscard]] asio::awaitable<void> run();

    /// Sees to it that all of them have ended. To be awaited before the crew is
    /// destroyed.
    [[nodiscard]] asio::awaitable<void> dismiss();

    [[nodiscard]] const std::string& failure() const { return failure_; }
    [[nodiscard]] const tally& results() const { return tally_; }

private:
    struct worker {
        worker(asio::any_io_executor executor, const settings& its);

        void send(const std::string& command);

        unsigned number;
        asio::posix::stream_descriptor commands;
        asio::posix::stream_descriptor answers;
        std::unique_ptr<child> process;
    };

    asio::awaitable<void> attend(worker& one);
    void round_ended();
    void send_to_all(const std::string& command);
    void left(const worker& one, std::exception_ptr failure);
    asio::awaitable<void> left_by_all(bool or_failed);

    const asio::any_io_executor executor_;
    progress_bar& bar_;
    std::vector<std::unique_ptr<worker>> workers_;
    unsigned rounds_left_;
    std::size_t in_round_ = 0;
    std::size_t attended_ = 0;
    asio::steady_timer someone_left_;
    std::string failure_;
    tally tally_;
};

} // namespace load
