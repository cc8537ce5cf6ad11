// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/lease_sockets.hpp>
#include <berth/detail/system_error.hpp>
#include <berth/error.hpp>
#include <berth/options.hpp>
#include <berth/protocol_info.hpp>

#include <asio/ip/tcp.hpp>

#include <cstdint>
#include <system_error>
#include <utility>

namespace berth {

class port_lease;

class watched_port;

namespace detail {
struct lease_access;

[[noreturn]] void throw_lease_error(const std::error_code& ec, const char* verb,
                                    std::uint16_t port);

/// Tells the report handler that somebody else has the number of a lease, which it knows by its last
/// socket.
void report_theft(std::uint16_t port, native_socket lease) noexcept;
} // namespace detail

/// A port number that the kernel keeps for you while this object lives.
///
/// The port is held by a socket that is bound and never listens, or by several, for the addresses,
/// transports and families that `find_options` named. While the lease is open (Linux, the
/// default) a server that sets SO_REUSEADDR binds the number as if it were free; while it is
/// sealed nobody can. In either state no bind to port 0 and no connect() is given the number, and
/// a client that comes before the server is refused; but a UDP bind to port 0 that sets
/// SO_REUSEADDR may share the number of an open lease. A server that sets no reuse option needs
/// `release()` just before it starts. The full table is in docs/guarantees.md.
///
/// A lease owns its sockets: ordinary close-on-exec descriptors, on Windows handles that are not
/// inherited; one for each transport, address and, where a socket cannot have both, family. It can be
/// moved, not copied; a moved-from lease is empty. When it ends, by its destructor, `release()`,
/// exec, exit or SIGKILL, the number is free at once; only while another thread is between a fork or
/// spawn and the exec may the child's copy of a descriptor hold it for that moment. A lease may outlive
/// the context and the thread that made it. In the child of a fork() the copy is not the lease: it
/// keeps the number to read, holds nothing, and the parent's lease is untouched by whatever the child
/// does.
///
/// Threads: distinct leases may be used from any threads; calls on one lease must not overlap.
///
/// Example:
/// @code
/// berth::port_lease lease = co_await berth::co_find_unused_port();
/// start_program("redis-server", "--port", lease.port());
/// @endcode
class [[nodiscard]] port_lease {
public:
    /// An empty lease.
    port_lease() noexcept = default;

    /// Takes what `other` holds and leaves it empty.
    port_lease(port_lease&& other) noexcept
        : sockets_(std::move(other.sockets_)),
          port_(std::exchange(other.port_, std::uint16_t{0})),
          mode_(std::exchange(other.mode_, lease_mode::sealed))
    {}

    /// Gives back what this lease holds, takes what `other` holds and leaves it empty.
    port_lease& operator=(port_lease&& other) noexcept
    {
        if (this != &other) {
            release();
            sockets_ = std::move(other.sockets_);
            port_ = std::exchange(other.port_, std::uint16_t{0});
            mode_ = std::exchange(other.mode_, lease_mode::sealed);
        }
        return *this;
    }

    /// Gives the port back: it is free when this returns, for any socket.
    ~port_lease()
    {
        if (valid())
            release();
    }

    /// Whether the lease is not empty. In the child of a fork() that stays so, although nothing
    /// is held there.
    [[nodiscard]] bool valid() const noexcept { return !sockets_.empty(); }

    /// As valid().
    explicit operator bool() const noexcept { return valid(); }

    /// The port, 1 to 65 535; 0 for an empty lease.
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

    /// Whom the lease lets in.
    [[nodiscard]] lease_mode mode() const noexcept { return mode_; }

    /// Lets servers in that set SO_REUSEADDR (on TCP also SO_REUSEPORT, same user). On Windows no
    /// socket can share its address safely: there it fails with `std::errc::not_supported`.
    ///
    /// Errors: `error::lease_empty`; what setsockopt() says. On failure the mode is unchanged.
    void open();
    void open(std::error_code& ec) noexcept; ///< As above, with the error in `ec`.

    /// Keeps everybody out again. A server that has bound the port already stays; and where it
    /// set SO_REUSEPORT the kernel goes on letting in others of the same user that do.
    ///
    /// Errors: `error::lease_empty`; what setsockopt() says. On failure the mode is unchanged.
    void seal();
    void seal(std::error_code& ec) noexcept; ///< As above, with the error in `ec`.

    /// Gives the port back at once and returns its number, 0 for an empty lease; the lease is
    /// empty afterwards. For a server that sets neither reuse option: it must start right after,
    /// and what comes between can take the port.
    ///
    /// Example:
    /// @code
    /// start_program("socat", "TCP-LISTEN:" + std::to_string(lease.release()), "EXEC:cat");
    /// @endcode
    std::uint16_t release() noexcept;

    /// Windows: lets the process with the id `process` open the holder's own socket, and so
    /// keep the port, with no moment in which it is free: the socket lives until both have closed
    /// it. Release the lease when the other process has opened it.
    ///
    /// Errors: `error::lease_empty`; what WSADuplicateSocket() says; elsewhere than on Windows,
    /// where a descriptor is passed on without berth, `std::errc::not_supported`.
    ///
    /// Example:
    /// @code
    /// berth::protocol_info info = lease.duplicate_for(GetProcessId(child));
    /// @endcode
    [[nodiscard]] protocol_info duplicate_for(std::uint32_t process) const;

    /// As above, with the error in `ec`.
    [[nodiscard]] protocol_info duplicate_for(std::uint32_t process,
                                              std::error_code& ec) const noexcept;

    /// Turns the holder itself into a listening acceptor on `ex`, sealed, with no moment in
    /// which the port is free. The lease is empty afterwards, or keeps what else it holds: the port
    /// on UDP, to which a socket of yours that sets SO_REUSEADDR may be bound while the lease is
    /// open, or on another address. On an error it is as before.
    ///
    /// Errors: `error::lease_empty`; `error::not_tcp` where it holds no port of TCP; what the
    /// system says: EADDRINUSE where a server has bound the open lease already, listening or not,
    /// which the handler of `set_report_handler()` is told; EMFILE. The form without `ec` throws
    /// `std::system_error`; so do both where Asio cannot make its reactor for the first socket of a
    /// context.
    ///
    /// Example:
    /// @code
    /// asio::ip::tcp::acceptor acceptor = std::move(lease).listen(context.get_executor());
    /// @endcode
    template <class Executor>
    [[nodiscard]] asio::ip::tcp::acceptor
    listen(const Executor& ex,
           int backlog = asio::socket_base::max_listen_connections) &&;

    /// As above, with the error in `ec`; the acceptor is then not open.
    template <class Executor>
    [[nodiscard]] asio::ip::tcp::acceptor listen(const Executor& ex, int backlog,
                                                 std::error_code& ec) &&;

private:
    friend struct detail::lease_access;
    friend class watched_port;

    void set_mode(lease_mode mode, std::error_code& ec) noexcept;
    void begin_listening(std::error_code& ec) noexcept;
    void end_listening(const std::error_code& ec) noexcept;

    detail::lease_sockets sockets_;
    std::uint16_t port_ = 0;
    lease_mode mode_ = lease_mode::sealed;
};

template <class Executor>
asio::ip::tcp::acceptor port_lease::listen(const Executor& ex, int backlog,
                                           std::error_code& ec) &&
{
    asio::ip::tcp::acceptor acceptor(ex); // may throw what Asio's reactor says
    begin_listening(ec);
    if (ec)
        return acceptor;
    acceptor.assign(sockets_.is_ipv6(0) ? asio::ip::tcp::v6() : asio::ip::tcp::v4(),
                    sockets_[0], ec);
    if (!ec) {
        acceptor.listen(backlog, ec);
        std::error_code ignored;
        if (ec)
            (void)acceptor.release(ignored);
    }
    ec = detail::as_system_error(ec);
    end_listening(ec);
    return acceptor;
}

template <class Executor>
asio::ip::tcp::acceptor port_lease::listen(const Executor& ex, int backlog) &&
{
    std::error_code ec;
    const std::uint16_t port = port_;
    auto acceptor = std::move(*this).listen(ex, backlog, ec);
    if (ec)
        detail::throw_lease_error(ec, "listen", port);
    return acceptor;
}

} // namespace berth
