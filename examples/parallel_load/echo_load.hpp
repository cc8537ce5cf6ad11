// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "settings.hpp"
#include "talk.hpp"
#include "worker_load.hpp"

#include <berth/berth.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace load {

/// Coroutine servers, each with a client of its own, all at once: one half on sockets
/// that were bound for them, the other on numbers that they were told and bind
/// themselves, a little later.
class echo_load final : public worker_load {
public:
    echo_load(const worker_strand& strand, const settings& its, progress report);

    asio::awaitable<void> round() override;
    const tally& results() const override { return tally_; }

private:
    /// What there is of a server when its client has been heard.
    struct outcome {
        fate what = fate::failed;
        std::string message;
        std::optional<std::uint64_t> bind; // how long it took, if it did
        std::optional<std::uint64_t> find;
        std::optional<std::uint64_t> wait; // since the round began
        berth::port_lease lease;
        std::optional<asio::ip::tcp::acceptor> acceptor;
    };

    asio::awaitable<outcome> serve_on_bound_port(stopwatch since, std::string secret,
                                                 std::string nonce);
    asio::awaitable<outcome> serve_on_number(stopwatch since, std::string secret,
                                             std::string nonce);
    asio::awaitable<std::uint16_t> find_number(outcome& result);

    void start(asio::awaitable<outcome> server);
    void ended(outcome result);

    const worker_strand strand_;
    const settings its_;
    const progress report_;
    secrets secrets_;
    tally tally_;

    // Of the round.
    std::vector<outcome> alive_;
    std::size_t running_ = 0;
    std::uint64_t unreported_ = 0;
    asio::steady_timer all_ended_;
};

} // namespace load
