// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/initiate.hpp>
#include <berth/options.hpp>
#include <berth/port_lease.hpp>

#include <asio/async_result.hpp>

#if BERTH_HAS_CO_AWAIT
#include <asio/awaitable.hpp>
#include <asio/use_awaitable.hpp>
#endif

#include <exception>
#include <system_error>
#include <utility>

namespace berth {

/// Finds a port that nobody uses and holds it, at once, in the calling thread.
///
/// Errors: `error::ports_exhausted`; of the options `error::invalid_range`,
/// `error::too_many_ranges`, `error::no_ports`, `error::invalid_preferred`,
/// `error::invalid_transports`, `error::invalid_families`; `error::backend_unavailable`; what
/// the system says. The first form throws `std::system_error`.
///
/// Threads: any. The calling thread is blocked while the request waits (`find_options::wait`).
///
/// Example:
/// @code
/// berth::port_lease lease = berth::find_unused_port();
/// @endcode
[[nodiscard]] port_lease find_unused_port(const find_options& options = {});
[[nodiscard]] port_lease find_unused_port(const find_options& options,
                                          std::error_code& ec) noexcept;

namespace detail {

struct lease_answer {
    using value_type = port_lease;
    static constexpr const char* co_verb = "co_find_unused_port";

    static request ask(const find_options& options) noexcept { return request(options); }

    template <class Executor>
    static port_lease make_value(const Executor&) noexcept
    {
        return {};
    }

    static port_lease take(request& answered, port_lease empty,
                           std::error_code& ec) noexcept
    {
        ec = answered.ec;
        return ec ? std::move(empty) : std::move(answered.lease);
    }

    static std::error_code failure(const std::error_code& ec, const request&) noexcept
    {
        return ec;
    }
};

} // namespace detail

/// Finds a port that nobody uses and holds it.
///
/// @par Completion Signature
/// `void(std::error_code, berth::port_lease)`, on the handler's associated executor, never
/// from inside this function.
///
/// Errors: as `find_unused_port()`; `asio::error::operation_aborted`.
///
/// Cancellation: terminal, partial and total, also while the request waits for a port
/// (`find_options::wait`); until the handler runs nothing observable has happened, and a port
/// that was found already is given back.
///
/// Threads: any. What is asked for while the executor is busy goes out as one batch.
/// On a stopped context the operation waits until the context runs again; when the context is
/// destroyed the handler is dropped uncalled and no port is kept.
///
/// Example:
/// @code
/// berth::async_find_unused_port(context.get_executor(), {},
///                               [](std::error_code ec, berth::port_lease lease) { ... });
/// @endcode
template <class Executor,
          class Token = typename asio::default_completion_token<Executor>::type>
auto async_find_unused_port(const Executor& ex, const find_options& options,
                            Token&& token = Token())
{
    return asio::async_initiate<Token, void(std::error_code, port_lease)>(
        detail::initiate<detail::lease_answer, Executor>(ex), token, options);
}

#if BERTH_HAS_CO_AWAIT
/// Finds a port that nobody uses and holds it, on the coroutine's own executor.
///
/// Errors: as `async_find_unused_port()`, thrown as `std::system_error`.
///
/// Cancellation, threads: as `async_find_unused_port()`.
///
/// Example:
/// @code
/// berth::port_lease lease = co_await berth::co_find_unused_port();
/// @endcode
[[nodiscard]] inline asio::awaitable<port_lease>
co_find_unused_port(const find_options& options = {})
{
    return asio::async_initiate<const asio::use_awaitable_t<>,
                                void(std::exception_ptr, port_lease)>(
        detail::initiate_here<detail::thrown<detail::lease_answer>>(),
        asio::use_awaitable, options);
}
#endif

} // namespace berth
