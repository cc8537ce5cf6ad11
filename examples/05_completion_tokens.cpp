// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// The async_ functions take any completion token: a callback, a future, a handler with a
// cancellation slot. A cancelled operation has had no effect that could be seen.

#include <berth/berth.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <exception>
#include <iostream>

int main()
{
    asio::io_context context;
    const auto executor = context.get_executor();

    bool called = false;
    berth::async_bind_ephemeral(executor, {.backlog = 16},
                                [&called](std::error_code ec, asio::ip::tcp::acceptor a) {
                                    called = !ec && a.is_open();
                                    if (called)
                                        std::cout << "the callback has an acceptor on "
                                                  << a.local_endpoint() << '\n';
                                });

    auto future = berth::async_find_unused_port(executor, {}, asio::use_future);

    asio::cancellation_signal signal;
    bool cancelled = false;
    berth::async_find_unused_port(
        executor, {},
        asio::bind_cancellation_slot(
            signal.slot(), [&cancelled](std::error_code ec, berth::port_lease lease) {
                cancelled = ec == asio::error::operation_aborted && !lease;
                std::cout << "the cancelled operation says: " << ec.message() << '\n';
            }));
    signal.emit(asio::cancellation_type::total);

    context.run();

    try {
        const berth::port_lease lease = future.get();
        std::cout << "the future holds port " << lease.port() << '\n';
        return called && cancelled && lease ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
