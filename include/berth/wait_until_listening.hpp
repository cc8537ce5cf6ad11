// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/port_wait.hpp>
#include <berth/wait_options.hpp>

#include <asio/async_result.hpp>

#include <system_error>
#include <utility>

namespace berth {

/// Waits in the calling thread until a server listens on a TCP port, on whatever address. UDP
/// sockets are not looked at.
///
/// On Linux the kernel is asked (netlink, sock_diag(7)), so that no stray connection reaches the
/// server; elsewhere berth connects to the port on the loopback addresses.
///
/// Errors: `std::errc::timed_out`; `error::process_ended`, `error::wrong_owner` (see
/// `wait_options`), `std::errc::permission_denied` where `process_tree` has a process that this
/// user may not look into; `error::lease_empty`; `std::errc::invalid_argument` for port or process 0;
/// `std::errc::not_supported` for `child` and `process_tree` on other systems; what the system
/// says. The first form throws `std::system_error`.
///
/// Threads: any.
///
/// Example:
/// @code
/// const pid_t server = start_program("redis-server", "--port", lease.port());
/// berth::wait_until_listening(lease, {.child = server});
/// @endcode
void wait_until_listening(watched_port port, const wait_options& options = {});
void wait_until_listening(watched_port port, const wait_options& options,
                          std::error_code& ec) noexcept;

/// Waits until a server listens on a TCP port.
///
/// @par Completion Signature
/// `void(std::error_code)`, on the handler's associated executor, never from inside this
/// function.
///
/// Errors: as `wait_until_listening()`; `asio::error::operation_aborted`.
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
/// berth::async_wait_until_listening(context.get_executor(), lease, {},
///     [](std::error_code ec) { ... });
/// @endcode
template <class Executor,
          class Token = typename asio::default_completion_token<Executor>::type>
auto async_wait_until_listening(const Executor& ex, watched_port port,
                                const wait_options& options, Token&& token = Token())
{
    return detail::async_wait(
        ex, detail::port_watch(detail::port_event::listening, port, options),
        std::forward<Token>(token));
}

#if BERTH_HAS_CO_AWAIT
/// Waits until a server listens on a TCP port. On the coroutine's own executor.
///
/// Errors: as `async_wait_until_listening()`, thrown as `std::system_error`.
///
/// Cancellation, threads: as `async_wait_until_listening()`.
///
/// Example:
/// @code
/// co_await berth::co_wait_until_listening(lease, {.timeout = 5s});
/// @endcode
[[nodiscard]] inline asio::awaitable<void>
co_wait_until_listening(watched_port port, const wait_options& options = {})
{
    return detail::co_wait(detail::port_event::listening, port, options,
                           "co_wait_until_listening");
}
#endif

} // namespace berth
