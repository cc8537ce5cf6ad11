// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/port_wait.hpp>
#include <berth/wait_options.hpp>

#include <asio/async_result.hpp>

#include <system_error>
#include <utility>

namespace berth {

/// Waits in the calling thread until no process has a socket on a TCP port any more. A lease's own
/// holder is not counted where the lease is given, nor is any other socket that is only bound.
///
/// What the kernel alone keeps of ended connections, as TIME_WAIT, is not counted either: it
/// does not stop a server that sets SO_REUSEADDR. `find_port_owner()` shows it. UDP sockets are not looked
/// at. Elsewhere than on Linux the port counts as released when connections to it are refused.
///
/// Errors: as `wait_until_listening()` but for those of `child` and `process_tree`, which are
/// not asked here.
///
/// Threads: any.
///
/// Example:
/// @code
/// server.terminate();
/// berth::wait_until_released(port); // another server may have the number now
/// @endcode
void wait_until_released(watched_port port, const wait_options& options = {});
void wait_until_released(watched_port port, const wait_options& options,
                         std::error_code& ec) noexcept;

/// Waits until no process has a socket on a TCP port any more.
///
/// @par Completion Signature
/// `void(std::error_code)`, on the handler's associated executor, never from inside this
/// function.
///
/// Errors: as `wait_until_released()`; `asio::error::operation_aborted`.
///
/// Cancellation: terminal, partial and total; one that comes before the handler runs wins. It
/// changes nothing, as the wait itself does.
///
/// Threads: any. The looks are taken by the handler's executor. On a stopped context the wait
/// goes on when the context runs again; when the context is destroyed the handler is dropped
/// uncalled.
///
/// Example:
/// @code
/// berth::async_wait_until_released(context.get_executor(), port, {},
///     [](std::error_code ec) { ... });
/// @endcode
template <class Executor,
          class Token = typename asio::default_completion_token<Executor>::type>
auto async_wait_until_released(const Executor& ex, watched_port port,
                               const wait_options& options, Token&& token = Token())
{
    return detail::async_wait(
        ex, detail::port_watch(detail::port_event::released, port, options),
        std::forward<Token>(token));
}

#if BERTH_HAS_CO_AWAIT
/// Waits until no process has a socket on a TCP port any more. On the coroutine's own executor.
///
/// Errors: as `async_wait_until_released()`, thrown as `std::system_error`.
///
/// Cancellation, threads: as `async_wait_until_released()`.
///
/// Example:
/// @code
/// co_await berth::co_wait_until_released(port, {.timeout = 5s});
/// @endcode
[[nodiscard]] inline asio::awaitable<void>
co_wait_until_released(watched_port port, const wait_options& options = {})
{
    return detail::co_wait(detail::port_event::released, port, options,
                           "co_wait_until_released");
}
#endif

} // namespace berth
