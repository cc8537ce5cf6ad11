// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/config.hpp>
#include <berth/detail/port_watch.hpp>

#include <asio/basic_waitable_timer.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/compose.hpp>
#include <asio/error.hpp>

#if BERTH_HAS_CO_AWAIT
#include <asio/awaitable.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#endif

#include <chrono>
#include <memory>
#include <system_error>
#include <utility>

namespace berth::detail {

/// A wait as a composed operation: a timer between the looks.
template <class Executor>
class port_wait {
    using clock = std::chrono::steady_clock;
    using timer = asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor>;

public:
    port_wait(const Executor& ex, port_watch&& watch)
        : watch_(std::move(watch)), timer_(std::make_unique<timer>(ex))
    {}

    /// The start. The first look is taken when the executor runs, not in the initiating function.
    template <class Self>
    void operator()(Self& self)
    {
        self.reset_cancellation_state(asio::enable_total_cancellation());
        look_after(port_watch::duration::zero(), self);
    }

    template <class Self>
    void operator()(Self& self, std::error_code ec)
    {
        if (self.get_cancellation_state().cancelled() != asio::cancellation_type::none)
            ec = asio::error::operation_aborted;
        if (ec || watch_.over(ec)) {
            watch_.close(); // the handler finds no descriptor of the wait's
            timer_.reset();
            self.complete(ec);
        } else {
            look_after(watch_.pause(), self);
        }
    }

private:
    template <class Self>
    void look_after(port_watch::duration pause, Self& self)
    {
        timer& in_its_place = *timer_; // while `self`, and this with it, moves
        in_its_place.expires_after(pause);
        in_its_place.async_wait(std::move(self));
    }

    port_watch watch_;
    std::unique_ptr<timer> timer_;
};

template <class Executor, class Token>
auto async_wait(const Executor& ex, port_watch watch, Token&& token)
{
    return asio::async_compose<Token, void(std::error_code)>(
        port_wait<Executor>(ex, std::move(watch)), token, ex);
}

#if BERTH_HAS_CO_AWAIT
inline asio::awaitable<void> co_wait(port_event what, watched_port port,
                                     wait_options options, const char* verb)
{
    const auto ex = co_await asio::this_coro::executor;
    std::error_code ec;
    co_await async_wait(ex, port_watch(what, port, options),
                        asio::redirect_error(asio::use_awaitable, ec));
    if (ec)
        throw_port_error(ec, verb, port.number());
}
#endif

} // namespace berth::detail
