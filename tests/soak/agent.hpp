// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "foreign.hpp"
#include "held_things.hpp"
#include "ledger.hpp"

#include <berth/berth.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace berth::soak {

/// A coroutine that does one thing after the other, on a strand of its own.
class agent {
public:
    /// Something that an agent does.
    struct action {
        const char* name;
        asio::awaitable<void> (agent::*run)();
        unsigned weight; ///< The chance that it is chosen, beside those of the others.
        bool needs_lease = false;
    };

    /// Everything that an agent does.
    [[nodiscard]] static std::span<const action> actions();

    agent(asio::any_io_executor ex, generator chance, unsigned number, survivors& others,
          std::chrono::steady_clock::time_point end)
        : ex_(std::move(ex)), chance_(chance), number_(number), others_(others), end_(end)
    {}

    asio::awaitable<void> run();

private:
    [[nodiscard]] bool over() const
    {
        return shared->over || std::chrono::steady_clock::now() > end_;
    }

    [[nodiscard]] std::size_t choose();

    asio::awaitable<void> find();
    asio::awaitable<void> find_and_cancel(find_options options);
    asio::awaitable<void> find_several();
    asio::awaitable<void> bind();
    template <class Protocol>
    asio::awaitable<void> bind_as(bind_options options);
    asio::awaitable<void> bind_own();
    template <class Socket>
    asio::awaitable<void> bind_this(Socket socket, asio::ip::address address);
    asio::awaitable<void> make_black_hole();
    asio::awaitable<void> listen();
    asio::awaitable<void> change_mode();
    asio::awaitable<void> give_back();
    asio::awaitable<void> look();
    void look_at_sealed(const port_lease& lease);
    asio::awaitable<void> look_at_server(const held_lease& one);
    asio::awaitable<void> fork_child();
    asio::awaitable<void> ask_wrongly();
    asio::awaitable<void> visit();
    asio::awaitable<void> rest();

    void in_the_child();
    void take(port_lease lease, const find_options& options, std::uint64_t asked);
    void take(std::vector<port_lease> leases, const port_pattern& pattern,
              const find_options& options, std::uint64_t asked);
    void check_still_held(const held_lease& one);

    /// Awaits an answer, or cancels the operation after a random moment: then there is none.
    template <class Answer>
    asio::awaitable<std::optional<Answer>>
    answer_or_cancel(asio::awaitable<Answer> operation)
    {
        using namespace asio::experimental::awaitable_operators;
        asio::steady_timer timer(ex_, std::chrono::microseconds(pick(chance_, 3000)));
        auto first =
            co_await (std::move(operation) || timer.async_wait(asio::use_awaitable));
        auto* const answer = std::get_if<Answer>(&first);
        shared->count(answer != nullptr ? counter::late_cancellations
                                        : counter::cancellations);
        if (answer == nullptr)
            co_return std::nullopt;
        co_return std::move(*answer);
    }

    /// Takes one out at random.
    template <class Thing>
    Thing remove(std::vector<Thing>& from)
    {
        std::swap(from[pick(chance_, unsigned(from.size()))], from.back());
        Thing taken = std::move(from.back());
        from.pop_back();
        return taken;
    }

    asio::any_io_executor ex_;
    generator chance_;
    unsigned number_;
    survivors& others_;
    std::chrono::steady_clock::time_point end_;
    std::vector<held_lease> leases_;
    std::vector<held_socket> sockets_;
    std::vector<foreign_socket> shared_sockets_; // UDP, with SO_REUSEADDR: nobody's alone
};

} // namespace berth::soak
