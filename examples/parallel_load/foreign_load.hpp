// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "child.hpp"
#include "programs.hpp"
#include "settings.hpp"
#include "talk.hpp"
#include "worker_load.hpp"

#include <asio/steady_timer.hpp>

#include <string>

namespace load {

/// In each round one server of every foreign program that is there, all at once.
class foreign_load final : public worker_load {
public:
    foreign_load(const worker_strand& strand, const settings& its, progress report);

    asio::awaitable<void> round() override;
    const tally& results() const override { return tally_; }

private:
    asio::awaitable<void> try_one(const program& which, std::string directory);
    asio::awaitable<void> prepare(const program& which, const instance& its);
    asio::awaitable<fate> start_and_ask(const program& which, instance& its);
    asio::awaitable<fate> ask_until_answered(const program& which, const instance& its,
                                             child& server);

    const worker_strand strand_;
    const settings its_;
    const progress report_;
    secrets secrets_;
    tally tally_;
    unsigned rounds_ = 0;
    std::size_t running_ = 0;
    asio::steady_timer all_ended_;
};

} // namespace load
