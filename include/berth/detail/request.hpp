// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>
#include <berth/options.hpp>
#include <berth/port_lease.hpp>
#include <berth/port_pattern.hpp>

#include <asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <system_error>
#include <vector>

namespace berth::detail {

/// What is asked for.
enum class product : std::uint8_t { lease, tcp_acceptor, udp_socket };

/// What the templates ask and what the library answers.
struct request {
    explicit request(const find_options& options) noexcept
        : what(product::lease), addresses(options.addresses),
          transports(options.transports), families(options.families),
          ports(options.ports), preferred(options.preferred),
          browser_safe(options.browser_safe), wait(options.wait), mode(options.mode),
          which(options.backend), where(options.where)
    {}

    request(const port_pattern& wanted, const find_options& options) noexcept
        : request(options)
    {
        pattern = wanted;
    }

    request(product kind, const bind_options& options) noexcept
        : what(kind), addresses(options.address), ports(options.ports),
          preferred(options.preferred), browser_safe(options.browser_safe),
          wait(options.wait), listen(options.listen), backlog(options.backlog),
          which(options.backend)
    {}

    product what;
    address_list addresses; // none: every address of the host
    berth::transports transports = berth::transports::tcp;
    berth::families families = berth::families::both;
    std::optional<port_set> ports;
    std::optional<std::uint16_t> preferred;
    bool browser_safe;
    std::chrono::steady_clock::duration wait;
    std::optional<port_pattern> pattern; // none: one lease
    lease_mode mode = lease_mode::open;
    bool listen = false;
    int backlog = 0;
    backend which;
    source_location where;

    void forget_answer() noexcept
    {
        ec.clear();
        lease = {};
        leases.clear();
        socket = {};
    }

    // The answer. Where `ec` is set the rest is empty.
    std::error_code ec;
    port_lease lease;               // product::lease
    std::vector<port_lease> leases; // the same, where there is a pattern
    unique_socket socket;           // the other products
};

/// What is wrong with a request before anything is asked of the system.
[[nodiscard]] std::error_code check(const request& asked) noexcept;

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
