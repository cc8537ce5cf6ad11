// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/initiate.hpp>
#include <berth/detail/native_socket.hpp>
#include <berth/options.hpp>

#include <asio/async_result.hpp>
#include <asio/ip/tcp.hpp>

#if BERTH_HAS_CO_AWAIT
#include <asio/awaitable.hpp>
#include <asio/use_awaitable.hpp>
#endif

#include <cstdint>
#include <exception>
#include <system_error>

namespace berth {

namespace detail {
struct black_hole_answer;
}

/// A TCP port that answers nobody: a connection to it is neither accepted nor refused, it hangs
/// until the client gives up. For the test of a client's connect timeout. (A port that refuses
/// is `bind_options::listen = false`.)
///
/// It is a listener whose queue has room for one connection; berth's own has it. The kernel
/// drops what comes after that. The port is kept as that of `bind_ephemeral()` is; with the
/// object both sockets are closed, and a client that still waits is refused when it tries again.
///
/// It can be moved, not copied; a moved-from one is empty. It belongs to no Asio context.
///
/// Threads: distinct objects may be used from any threads.
///
/// Example:
/// @code
/// const berth::black_hole hole = co_await berth::co_bind_black_hole();
/// client.connect(hole.endpoint(), 100ms); // must time out
/// @endcode
class [[nodiscard]] black_hole {
public:
    /// An empty one.
    black_hole() noexcept = default;

    /// Where nobody answers; no address and port 0 where it is empty. One that is bound to a
    /// wildcard answers nobody on any address that this covers.
    [[nodiscard]] asio::ip::tcp::endpoint endpoint() const noexcept
    {
        return listener_.get() == detail::no_socket ? asio::ip::tcp::endpoint()
                                                    : endpoint_;
    }

    /// The port of endpoint().
    [[nodiscard]] std::uint16_t port() const noexcept { return endpoint().port(); }

private:
    friend struct detail::black_hole_answer;

    asio::ip::tcp::endpoint endpoint_;
    detail::unique_socket filler_;
    detail::unique_socket listener_;
};

namespace detail {

struct black_hole_answer {
    using value_type = black_hole;
    static constexpr const char* co_verb = "co_bind_black_hole";

    static request ask(const bind_options& options) noexcept;

    template <class Executor>
    static black_hole make_value(const Executor&) noexcept
    {
        return {};
    }

    static black_hole take(request& answered, black_hole empty,
                           std::error_code& ec) noexcept;

    static std::error_code failure(const std::error_code& ec, const request&) noexcept
    {
        return ec;
    }
};

} // namespace detail

/// Binds a black hole to a port that nobody else has, at once, in the calling thread. It is full
/// when this returns. `bind_options::listen` and `backlog` are not asked.
///
/// Linux only. It takes two descriptors, and the other end of berth's own connection takes a
/// second port for as long.
///
/// Errors: `std::errc::not_supported` on other systems (on Windows a full queue refuses), and
/// where the kernel does not say that the queue is full; as `bind_ephemeral()`; what the system
/// says. The first form throws `std::system_error`.
///
/// Threads: any. The calling thread is blocked while the request waits (`bind_options::wait`).
///
/// Example:
/// @code
/// const berth::black_hole hole = berth::bind_black_hole();
/// @endcode
[[nodiscard]] black_hole bind_black_hole(const bind_options& options = {});
[[nodiscard]] black_hole bind_black_hole(const bind_options& options,
                                         std::error_code& ec) noexcept;

/// Binds a black hole to a port that nobody else has.
///
/// @par Completion Signature
/// `void(std::error_code, berth::black_hole)`, on the handler's associated executor, never
/// from inside this function. Where the error is set it is empty.
///
/// Errors: as `bind_black_hole()`; `asio::error::operation_aborted`.
///
/// Cancellation: terminal, partial and total; until the handler runs nothing observable
/// has happened, and what was bound already is closed.
///
/// Threads: any. What is asked for while the executor is busy goes out as one batch.
/// On a stopped context the operation waits until the context runs again; when the context is
/// destroyed the handler is dropped uncalled and no port is kept.
///
/// Example:
/// @code
/// berth::async_bind_black_hole(context.get_executor(), {},
///                              [](std::error_code ec, berth::black_hole hole) { ... });
/// @endcode
template <class Executor,
          class Token = typename asio::default_completion_token<Executor>::type>
auto async_bind_black_hole(const Executor& ex, const bind_options& options,
                           Token&& token = Token())
{
    return asio::async_initiate<Token, void(std::error_code, black_hole)>(
        detail::initiate<detail::black_hole_answer, Executor>(ex), token, options);
}

#if BERTH_HAS_CO_AWAIT
/// Binds a black hole to a port that nobody else has, on the coroutine's own executor.
///
/// Errors: as `async_bind_black_hole()`, thrown as `std::system_error`.
///
/// Cancellation, threads: as `async_bind_black_hole()`.
///
/// Example:
/// @code
/// berth::black_hole hole = co_await berth::co_bind_black_hole();
/// @endcode
[[nodiscard]] inline asio::awaitable<black_hole>
co_bind_black_hole(const bind_options& options = {})
{
    return asio::async_initiate<const asio::use_awaitable_t<>,
                                void(std::exception_ptr, black_hole)>(
        detail::initiate_here<detail::thrown<detail::black_hole_answer>>(),
        asio::use_awaitable, options);
}
#endif

} // namespace berth
