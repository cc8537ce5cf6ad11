// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "talk.hpp"

#include <asio/buffer.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <fmt/format.h>

#include <system_error>

namespace load {

asio::awaitable<std::string> ask(asio::ip::tcp::socket& server, std::string request)
{
    constexpr std::size_t longest_answer = 64 * 1024;
    co_await asio::async_write(server, asio::buffer(request), asio::use_awaitable);
    // No more will come: so that a stranger who waits for more does not keep us waiting.
    server.shutdown(asio::ip::tcp::socket::shutdown_send);

    std::string answer;
    std::error_code ec;
    co_await asio::async_read(server, asio::dynamic_buffer(answer, longest_answer),
                              asio::redirect_error(asio::use_awaitable, ec));
    if (ec && ec != asio::error::eof)
        throw std::system_error(ec, "read");
    co_return answer;
}

asio::awaitable<std::exception_ptr> failure_of(asio::awaitable<void> work)
{
    std::exception_ptr failure;
    try {
        co_await std::move(work);
    } catch (...) {
        failure = std::current_exception();
    }
    co_return failure;
}

asio::awaitable<void> within(std::chrono::milliseconds limit, asio::awaitable<void> work)
{
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer timer(co_await asio::this_coro::executor, limit);
    // The first *success* ends the wait, and so the work must not fail.
    const auto first =
        co_await (failure_of(std::move(work)) || timer.async_wait(asio::use_awaitable));
    if (first.index() != 0)
        throw std::system_error(std::make_error_code(std::errc::timed_out), "no answer");
    if (const std::exception_ptr failure = std::get<0>(first))
        std::rethrow_exception(failure);
}

secrets::secrets(std::uint64_t seed, unsigned number)
{
    std::seed_seq mixed = {static_cast<std::uint32_t>(seed),
                           static_cast<std::uint32_t>(seed >> 32U), number};
    random_.seed(mixed);
}

std::string secrets::next()
{
    return fmt::format("{:016x}", random_());
}

} // namespace load
