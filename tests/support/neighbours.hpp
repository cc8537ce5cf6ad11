// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/find_unused_port.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>

#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

namespace berth::testing {

/// The sockets of other programs, and leases, so that what is right only in an empty network
/// namespace fails: on TCP and UDP, on IPv4 and IPv6 where the host has it. They close with it.
class neighbours {
public:
    /// Opens `count` of each kind: on the ports from `first` on, or where that is 0 on ports that
    /// the system chooses. Throws std::system_error.
    neighbours(int count, std::uint16_t first, backend which) : next_(first)
    {
        add_loopback_addresses();
        for (const address& at : addresses_)
            for (int i = 0; i < count; ++i)
                add_sockets(at, i % 2 != 0);
        for (int i = 0; i < count; ++i)
            for (const lease_mode mode : {lease_mode::open, lease_mode::sealed})
                add_lease(transports(i % 3 + 1), mode, which);
    }

    /// Leaves one more socket in TIME_WAIT for each family; the kernel forgets it after 60 s.
    /// Does nothing where the tests have taken every port.
    void renew() noexcept
    {
        second_ = !second_;
        try {
            for (const address& at : addresses_)
                leave_time_wait(at, second_);
        } catch (const std::system_error&) {
        }
    }

private:
    using address = asio::ip::address;
    using tcp = asio::ip::tcp;
    using udp = asio::ip::udp;

    void add_loopback_addresses()
    {
        addresses_ = {asio::ip::address_v4::loopback()};
        const tcp::endpoint v6(asio::ip::address_v6::loopback(), 0);
        std::error_code ec;
        tcp::socket probe(context_);
        probe.open(v6.protocol(), ec);
        if (!ec)
            probe.bind(v6, ec);
        if (!ec)
            addresses_.push_back(v6.address());
    }

    std::uint16_t next_port() { return next_ == 0 ? next_ : next_++; }

    // Every second server sets SO_REUSEADDR; every second bound socket is on the wildcard address.
    void add_sockets(const address& at, bool second)
    {
        const tcp::endpoint everywhere(at.is_v4() ? tcp::v4() : tcp::v6(), next_port());
        tcp::socket bound(context_, everywhere.protocol());
        bound.set_option(tcp::socket::reuse_address(second));
        bound.bind(second ? everywhere : tcp::endpoint(at, everywhere.port()));
        streams_.push_back(std::move(bound));

        acceptors_.emplace_back(context_, tcp::endpoint(at, next_port()), second);

        auto [client, accepted] = connect(at, second);
        streams_.push_back(std::move(client));
        streams_.push_back(std::move(accepted));
        leave_time_wait(at, second);

        udp::socket silent(context_, udp::endpoint(at, next_port()));
        udp::socket talker(context_, udp::endpoint(at, next_port()));
        talker.connect(silent.local_endpoint());
        datagrams_.push_back(std::move(silent));
        datagrams_.push_back(std::move(talker));
    }

    void add_lease(transports which_transports, lease_mode mode, backend which)
    {
        find_options options = {
            .transports = which_transports, .mode = mode, .backend = which};
        if (const std::uint16_t port = next_port(); port != 0)
            options.ports = port_range{port, port};
        leases_.push_back(find_unused_port(options));
    }

    /// Returns both ends of a connection to a listener that is closed again.
    std::pair<tcp::socket, tcp::socket> connect(const address& at, bool second)
    {
        tcp::acceptor listener(context_, tcp::endpoint(at, next_port()), second);
        tcp::socket client(context_, listener.local_endpoint().protocol());
        if (const std::uint16_t port = next_port(); port != 0)
            client.bind({at, port});
        client.connect(listener.local_endpoint());
        return {std::move(client), listener.accept()};
    }

    // The end that closes first is in TIME_WAIT: every second time the server's.
    void leave_time_wait(const address& at, bool second)
    {
        auto [client, accepted] = connect(at, second);
        (second ? accepted : client).close();
        (second ? client : accepted).close();
    }

    asio::io_context context_;
    std::uint16_t next_;
    bool second_ = false;
    std::vector<address> addresses_;
    std::vector<tcp::socket> streams_;
    std::vector<tcp::acceptor> acceptors_;
    std::vector<udp::socket> datagrams_;
    std::vector<port_lease> leases_;
};

} // namespace berth::testing
