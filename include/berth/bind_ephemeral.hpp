// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/initiate.hpp>
#include <berth/detail/system_error.hpp>
#include <berth/options.hpp>

#include <asio/async_result.hpp>
#include <asio/compose.hpp>
#include <asio/execution/executor.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>

#if BERTH_HAS_CO_AWAIT
#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#endif

#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

namespace berth {

namespace detail {

template <class Protocol>
struct bound;

template <>
struct bound<asio::ip::tcp> {
    using type = asio::ip::tcp::acceptor;
    static constexpr product kind = product::tcp_acceptor;
};

template <>
struct bound<asio::ip::udp> {
    using type = asio::ip::udp::socket;
    static constexpr product kind = product::udp_socket;
};

template <class Protocol>
struct bound_answer {
    using value_type = typename bound<Protocol>::type;
    static constexpr const char* co_verb = "co_bind_ephemeral";

    static request ask(const bind_options& options) noexcept
    {
        return request(bound<Protocol>::kind, options);
    }

    // May throw what Asio's reactor says when it is made.
    template <class Executor>
    static value_type make_value(const Executor& ex)
    {
        return value_type(ex);
    }

    static value_type take(request& answered, value_type object, std::error_code& ec)
    {
        ec = answered.ec;
        if (ec)
            return object;
        object.assign(answered.addresses.begin()->is_v6() ? Protocol::v6()
                                                          : Protocol::v4(),
                      answered.socket.get(), ec);
        ec = as_system_error(ec);
        if (!ec)
            answered.socket.release();
        return object;
    }

    static std::error_code failure(const std::error_code& ec, const request&) noexcept
    {
        return ec;
    }
};

template <class Executor>
concept executor = asio::execution::is_executor<Executor>::value;

/// An Asio socket or acceptor of an internet protocol.
template <class Socket>
concept ip_socket = requires(Socket& socket)
{
    typename bound<typename Socket::protocol_type>::type;
    socket.native_handle();
    socket.get_executor();
};

} // namespace detail

/// What `bind_ephemeral` makes of a protocol: `asio::ip::tcp::acceptor` or
/// `asio::ip::udp::socket`.
template <class Protocol>
using bound_socket = typename detail::bound<Protocol>::type;

/// Opens a socket on `ex`, bound to a port that nobody else has, at once, in the calling
/// thread. A TCP acceptor listens unless `options.listen` is false. The socket carries
/// neither SO_REUSEADDR nor SO_REUSEPORT and is not inherited by child processes.
///
/// Errors: `error::ports_exhausted`; of the options `error::invalid_range`,
/// `error::too_many_ranges`, `error::no_ports`, `error::invalid_preferred`;
/// `error::backend_unavailable`; what the system says. The second form throws
/// `std::system_error`; so do both where Asio cannot make its reactor for the first socket of a
/// context.
///
/// Threads: any. The calling thread is blocked while the request waits (`bind_options::wait`).
///
/// Example:
/// @code
/// asio::io_context context;
/// auto acceptor = berth::bind_ephemeral(context.get_executor());
/// auto socket = berth::bind_ephemeral<asio::ip::udp>(context.get_executor());
/// @endcode
template <class Protocol = asio::ip::tcp, detail::executor Executor>
[[nodiscard]] bound_socket<Protocol>
bind_ephemeral(const Executor& ex, const bind_options& options, std::error_code& ec)
{
    using answer = detail::bound_answer<Protocol>;
    auto object = answer::make_value(ex);
    detail::request asked = answer::ask(options);
    detail::allocate(asked);
    return answer::take(asked, std::move(object), ec);
}

/// As above, throwing.
template <class Protocol = asio::ip::tcp, detail::executor Executor>
[[nodiscard]] bound_socket<Protocol> bind_ephemeral(const Executor& ex,
                                                    const bind_options& options = {})
{
    std::error_code ec;
    auto object = bind_ephemeral<Protocol>(ex, options, ec);
    if (ec)
        detail::throw_error(ec, "bind_ephemeral",
                            detail::bound_answer<Protocol>::ask(options));
    return object;
}

/// Binds your own open socket or acceptor to a port of `address` that nobody else has, at
/// once, and returns the port; your options on it stay as they are. An acceptor does not
/// listen yet. The ports are those that BERTH_PORT_RANGE names, without it those of the system's
/// ephemeral range (`bind_options::ports`).
///
/// Errors: `error::reuse_address_set`, `error::reuse_port_set` where a TCP socket carries
/// the option (Asio's acceptor constructor with an endpoint sets SO_REUSEADDR: open the
/// acceptor instead); `error::ports_exhausted`; `error::invalid_range`,
/// `error::too_many_ranges` or `error::no_ports` for a BERTH_PORT_RANGE; what the system says, as
/// `std::errc::bad_file_descriptor` for a socket that is not open. The second form throws
/// `std::system_error`. On an error the socket is as it was; one that is bound already is
/// `std::errc::invalid_argument`.
///
/// A UDP socket that carries SO_REUSEADDR may be bound to a port that others share; so does
/// bind() to port 0, on any system.
///
/// Threads: as `socket.bind()`.
///
/// Example:
/// @code
/// asio::ip::udp::socket socket(context, asio::ip::udp::v6());
/// std::uint16_t port = berth::bind_ephemeral(socket, asio::ip::address_v6::loopback());
/// @endcode
template <detail::ip_socket Socket>
std::uint16_t bind_ephemeral(Socket& socket, const asio::ip::address& address,
                             std::error_code& ec)
{
    return detail::bind_socket(socket.native_handle(), address, ec);
}

/// As above, throwing.
template <detail::ip_socket Socket>
std::uint16_t bind_ephemeral(Socket& socket, const asio::ip::address& address)
{
    std::error_code ec;
    const std::uint16_t port = bind_ephemeral(socket, address, ec);
    if (ec)
        detail::throw_error(ec, "bind_ephemeral", address);
    return port;
}

/// Opens a socket on `ex`, bound to a port that nobody else has.
///
/// @par Completion Signature
/// `void(std::error_code, berth::bound_socket<Protocol>)`, on the handler's associated
/// executor, never from inside this function. Where the error is set the socket is not open.
///
/// Errors: as `bind_ephemeral()`; `asio::error::operation_aborted`.
///
/// Cancellation: terminal, partial and total, also while the request waits for a port
/// (`bind_options::wait`); until the handler runs nothing observable has happened, and a socket
/// that was bound already is closed.
///
/// Threads: any. What is asked for while the executor is busy goes out as one batch.
/// On a stopped context the operation waits until the context runs again; when the context is
/// destroyed the handler is dropped uncalled and no socket is kept.
///
/// Example:
/// @code
/// berth::async_bind_ephemeral(context.get_executor(), {.backlog = 16},
///                             [](std::error_code ec, asio::ip::tcp::acceptor a) { ... });
/// @endcode
template <class Protocol = asio::ip::tcp, detail::executor Executor,
          class Token = typename asio::default_completion_token<Executor>::type>
auto async_bind_ephemeral(const Executor& ex, const bind_options& options,
                          Token&& token = Token())
{
    return asio::async_initiate<Token, void(std::error_code, bound_socket<Protocol>)>(
        detail::initiate<detail::bound_answer<Protocol>, Executor>(ex), token, options);
}

/// Binds your own open socket or acceptor, which must stay where it is until the operation
/// completes.
///
/// @par Completion Signature
/// `void(std::error_code, std::uint16_t)`, on the handler's associated executor, never from
/// inside this function.
///
/// Errors: as `bind_ephemeral()` with a socket; `asio::error::operation_aborted`.
///
/// Cancellation: terminal, partial and total, until the bind.
///
/// Threads: as other operations on `socket`.
///
/// Example:
/// @code
/// berth::async_bind_ephemeral(socket, address, [](std::error_code ec, std::uint16_t port) { ... });
/// @endcode
template <detail::ip_socket Socket, class Token = typename asio::default_completion_token<
                                        typename Socket::executor_type>::type>
auto async_bind_ephemeral(Socket& socket, const asio::ip::address& address,
                          Token&& token = Token())
{
    return asio::async_compose<Token, void(std::error_code, std::uint16_t)>(
        [&socket, address, posted = false](auto& self) mutable {
            if (!std::exchange(posted, true)) {
                self.reset_cancellation_state(asio::enable_total_cancellation());
                asio::post(socket.get_executor(), std::move(self));
                return;
            }
            std::error_code ec = asio::error::operation_aborted;
            std::uint16_t port = 0;
            if (self.get_cancellation_state().cancelled() ==
                asio::cancellation_type::none)
                port = bind_ephemeral(socket, address, ec);
            self.complete(ec, port);
        },
        token, socket);
}

#if BERTH_HAS_CO_AWAIT
/// Opens a socket on the coroutine's own executor, bound to a port that nobody else has.
///
/// Errors: as `async_bind_ephemeral()`, thrown as `std::system_error`.
///
/// Cancellation, threads: as `async_bind_ephemeral()`.
///
/// Example:
/// @code
/// asio::ip::tcp::acceptor acceptor = co_await berth::co_bind_ephemeral();
/// asio::ip::udp::socket socket = co_await berth::co_bind_ephemeral<asio::ip::udp>();
/// @endcode
template <class Protocol = asio::ip::tcp>
[[nodiscard]] asio::awaitable<bound_socket<Protocol>>
co_bind_ephemeral(bind_options options = {})
{
    using answer = detail::bound_answer<Protocol>;
    // The first socket of a context makes Asio's reactor, which may throw. It must be here: what
    // an initiating function throws in an await expression ends the program.
    try {
        (void)answer::make_value(co_await asio::this_coro::executor);
    } catch (const std::system_error& e) {
        detail::throw_error(detail::as_system_error(e.code()), answer::co_verb,
                            answer::ask(options));
    }
    co_return co_await asio::async_initiate<
        const asio::use_awaitable_t<>, void(std::exception_ptr, bound_socket<Protocol>)>(
        detail::initiate_here<detail::thrown<answer>>(), asio::use_awaitable, options);
}

/// Binds your own open socket or acceptor, which must stay where it is until then.
///
/// Errors: as `async_bind_ephemeral()` with a socket, thrown as `std::system_error`.
///
/// Cancellation, threads: as `async_bind_ephemeral()` with a socket.
///
/// Example:
/// @code
/// std::uint16_t port = co_await berth::co_bind_ephemeral(socket, address);
/// @endcode
template <detail::ip_socket Socket>
[[nodiscard]] asio::awaitable<std::uint16_t> co_bind_ephemeral(Socket& socket,
                                                               asio::ip::address address)
{
    std::error_code failure;
    try {
        co_return co_await async_bind_ephemeral(socket, address, asio::use_awaitable);
    } catch (const std::system_error& e) {
        failure = e.code();
    }
    detail::throw_error(failure, "co_bind_ephemeral", address);
}
#endif

} // namespace berth
