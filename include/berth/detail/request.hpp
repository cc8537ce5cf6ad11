// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>
#include <berth/options.hpp>
#include <berth/port_lease.hpp>

#include <asio/ip/address.hpp>

#include <cstdint>
#include <exception>
#include <optional>
#include <system_error>

namespace berth::detail {

/// What the two verbs ask for.
enum class product : std::uint8_t { lease, tcp_acceptor, udp_socket };

/// One port to allocate: what the templates ask and what the library answers.
struct request {
    explicit request(const find_options& options) noexcept
        : what(product::lease), address(options.address), range(options.range),
          mode(options.mode), which(options.backend)
    {}

    request(product kind, const bind_options& options) noexcept
        : what(kind), address(options.address), range(options.range),
          listen(options.listen), backlog(options.backlog), which(options.backend)
    {}

    product what;
    std::optional<asio::ip::address> address; // none: every address of the host
    std::optional<port_range> range;
    lease_mode mode = lease_mode::open;
    bool listen = false;
    int backlog = 0;
    backend which;

    // The answer. Where `ec` is set the rest is empty.
    std::error_code ec;
    port_lease lease;     // product::lease
    unique_socket socket; // the other products
};

/// Fulfils one request at once.
void allocate(request& asked) noexcept;

/// Binds the caller's own socket; returns the port.
[[nodiscard]] std::uint16_t bind_socket(native_socket socket,
                                        const asio::ip::address& address,
                                        std::error_code& ec) noexcept;

/// A std::system_error that names the verb and what was asked for, or what kept it from being
/// made.
[[nodiscard]] std::exception_ptr make_exception(const std::error_code& ec,
                                                const char* verb,
                                                const request& asked) noexcept;

/// Throws it.
[[noreturn]] void throw_error(const std::error_code& ec, const char* verb,
                              const request& asked);
[[noreturn]] void throw_error(const std::error_code& ec, const char* verb,
                              const asio::ip::address& address);

} // namespace berth::detail
