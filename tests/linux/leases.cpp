// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "leases.hpp"

#include "process.hpp"
#include "sockets.hpp"
#include "stranger.hpp"

#include <berth/find_unused_port.hpp>

#include <asio/io_context.hpp>

#include <string>
#include <system_error>
#include <utility>

namespace berth::testing {

void expect_still_held(const port_lease& lease)
{
    expect(lease.valid(), "a lease that is there");
    expect_equal(try_bind("127.0.0.1", lease.port(), reuse::nothing), "EADDRINUSE",
                 "a server without options");
    expect_equal(try_bind("127.0.0.1", lease.port(), reuse::address),
                 lease.mode() == lease_mode::open ? "ok" : "EADDRINUSE",
                 "a server with SO_REUSEADDR");
}

void expect_free(std::uint16_t port)
{
    for (const std::string& address : host_addresses()) {
        const std::string where = " on " + address + ", port " + std::to_string(port);
        for (const reuse options : every_reuse)
            expect_equal(try_bind(address, port, options), "ok",
                         "a TCP socket with " + to_string(options) + where);
        const std::error_code ec =
            bind_plainly<asio::ip::udp>(asio::ip::make_address(address), port);
        expect(!ec, "a UDP socket is bound" + where + ": " + ec.message());
    }
}

std::vector<port_lease> find_batch(std::size_t count, const find_options& options)
{
    asio::io_context context;
    std::vector<port_lease> leases;
    std::error_code failure;
    for (std::size_t i = 0; i < count; ++i)
        async_find_unused_port(context.get_executor(), options,
                               [&](const std::error_code& ec, port_lease lease) {
                                   if (ec && !failure)
                                       failure = ec;
                                   leases.push_back(std::move(lease));
                               });
    context.run();
    if (failure)
        throw std::system_error(failure, "a batch of leases");
    return leases;
}

} // namespace berth::testing
