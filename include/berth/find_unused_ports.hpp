// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/initiate.hpp>
#include <berth/options.hpp>
#include <berth/port_lease.hpp>
#include <berth/port_pattern.hpp>

#include <asio/async_result.hpp>

#if BERTH_HAS_CO_AWAIT
#include <asio/awaitable.hpp>
#include <asio/use_awaitable.hpp>
#endif

#include <exception>
#include <system_error>
#include <utility>
#include <vector>

namespace berth {

/// Finds several ports that nobody uses and holds them, at once, in the calling thread: all that
/// the pattern asks for, or none. Each has a lease of its own, in the order of the pattern. The
/// first one is `options.preferred`, where that is free and the pattern fits there, in
/// `options.ports` or not.
///
/// Nothing is held while it fails, nor while it waits (`options.wait`), so that two who ask for
/// many at once cannot wait for one another.
///
/// Errors: as `find_unused_port()`; `error::invalid_pattern`, `error::pattern_too_wide`. The first
/// form throws `std::system_error`.
///
/// Threads: any. The calling thread is blocked while the request waits.
///
/// Example:
/// @code
/// std::vector<berth::port_lease> redis =
///     berth::find_unused_ports(berth::port_pattern::offsets(0, 10000));
/// @endcode
[[nodiscard]] std::vector<port_lease> find_unused_ports(const port_pattern& pattern,
                                                        const find_options& options = {});
[[nodiscard]] std::vector<port_lease> find_unused_ports(const port_pattern& pattern,
                                                        const find_options& options,
                                                        std::error_code& ec) noexcept;

namespace detail {

struct leases_answer {
    using value_type = std::vector<port_lease>;
    static constexpr const char* co_verb = "co_find_unused_ports";

    static request ask(const std::pair<port_pattern, find_options>& wanted) noexcept
    {
        return {wanted.first, wanted.second};
    }

    template <class Executor>
    static value_type make_value(const Executor&) noexcept
    {
        return {};
    }

    static value_type take(request& answered, value_type none,
                           std::error_code& ec) noexcept
    {
        ec = answered.ec;
        return ec ? std::move(none) : std::move(answered.leases);
    }

    static std::error_code failure(const std::error_code& ec, const request&) noexcept
    {
        return ec;
    }
};

} // namespace detail

/// Finds several ports that nobody uses and holds them.
///
/// @par Completion Signature
/// `void(std::error_code, std::vector<berth::port_lease>)`, on the handler's associated executor,
/// never from inside this function.
///
/// Errors: as `find_unused_ports()`; `asio::error::operation_aborted`.
///
/// Cancellation, threads: as `async_find_unused_port()`.
///
/// Example:
/// @code
/// berth::async_find_unused_ports(context.get_executor(), 3, {},
///     [](std::error_code ec, std::vector<berth::port_lease> leases) { ... });
/// @endcode
template <class Executor,
          class Token = typename asio::default_completion_token<Executor>::type>
auto async_find_unused_ports(const Executor& ex, const port_pattern& pattern,
                             const find_options& options, Token&& token = Token())
{
    return asio::async_initiate<Token, void(std::error_code, std::vector<port_lease>)>(
        detail::initiate<detail::leases_answer, Executor>(ex), token,
        std::pair(pattern, options));
}

#if BERTH_HAS_CO_AWAIT
/// Finds several ports that nobody uses and holds them, on the coroutine's own executor.
///
/// Errors: as `async_find_unused_ports()`, thrown as `std::system_error`.
///
/// Cancellation, threads: as `async_find_unused_port()`.
///
/// Example:
/// @code
/// std::vector<berth::port_lease> leases =
///     co_await berth::co_find_unused_ports(berth::port_pattern::block(4));
/// @endcode
[[nodiscard]] inline asio::awaitable<std::vector<port_lease>>
co_find_unused_ports(const port_pattern& pattern, const find_options& options = {})
{
    return asio::async_initiate<const asio::use_awaitable_t<>,
                                void(std::exception_ptr, std::vector<port_lease>)>(
        detail::initiate_here<detail::thrown<detail::leases_answer>>(),
        asio::use_awaitable, std::pair(pattern, options));
}
#endif

} // namespace berth
