// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// The short pieces of code in the documentation, compiled and run.

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <utility>

namespace {

void start_server(std::uint16_t port)
{
    std::cout << "a server on port " << port << '\n';
}

asio::awaitable<void> forms(asio::io_context& context, berth::port_lease& held)
{
    // [forms]
    // At once, in the calling thread; with a std::error_code& at the end it does not throw.
    berth::port_lease one = berth::find_unused_port();

    // With any completion token, on any executor. Keep the lease until the server has bound.
    berth::async_find_unused_port(context.get_executor(), {},
                                  [&held](std::error_code ec, berth::port_lease lease) {
                                      if (!ec)
                                          start_server(lease.port());
                                      held = std::move(lease);
                                  });

    // In a coroutine. The options are aggregates.
    berth::port_lease other =
        co_await berth::co_find_unused_port({.ports = berth::port_range{20000, 29999}});
    // []
    start_server(one.port());
    start_server(other.port());
}

asio::awaitable<void> own_socket()
{
    const auto ex = co_await asio::this_coro::executor;
    // [own]
    asio::ip::udp::socket socket(ex, asio::ip::udp::v4());
    socket.set_option(asio::socket_base::receive_buffer_size(65536));
    std::uint16_t port =
        co_await berth::co_bind_ephemeral(socket, asio::ip::address_v4::loopback());
    // []
    start_server(port);
}

void lease(asio::io_context& context)
{
    // [lease]
    berth::port_lease lease =
        berth::find_unused_port({.mode = berth::lease_mode::sealed});
    lease.open(); // a server that sets SO_REUSEADDR may bind the port
    lease.seal(); // nobody may
    asio::ip::tcp::acceptor acceptor = // the holder itself listens: there is no gap
        std::move(lease).listen(context.get_executor());

    berth::port_lease other = berth::find_unused_port();
    start_server(other.release()); // free at once, for a server that sets no reuse option
    // []
}

void run_the_tests()
{
    start_server(berth::find_unused_port().port());
}

void happened()
{
    // [happened]
    // Told of leases that are stolen, or alive when the process ends.
    berth::set_report_handler([](const berth::report& r) {
        std::cerr << r.where.file_name() << ':' << r.where.line() << ": port " << r.port
                  << '\n';
    });

    const berth::counters before = berth::process_counters();
    run_the_tests();
    const berth::counters during = berth::process_counters() - before;
    std::cout << during.granted << " ports, " << during.refused
              << " candidates refused\n";
    // []
}

void wait(asio::io_context& context)
{
    const asio::ip::tcp::acceptor server = berth::bind_ephemeral(context.get_executor());
    const std::uint16_t port = server.local_endpoint().port();
    // [wait]
    // Where the server is a process: .child = pid, .process_tree = pid
    berth::wait_until_listening(port, {.timeout = std::chrono::seconds(5)});
    std::error_code ec;
    std::cout << "it is " << berth::find_port_owner(port, ec).name << "'s\n";
    // []
}

} // namespace

int main()
{
    asio::io_context context;
    const auto check = [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    };
    berth::port_lease held;
    asio::co_spawn(context, forms(context, held), check);
    asio::co_spawn(context, own_socket(), check);
    context.run();
    happened();
    wait(context);
    try {
        lease(context);
    } catch (const std::system_error& e) {
        if (e.code() != std::errc::not_supported) // as open() is on Windows
            throw;
    }
}
