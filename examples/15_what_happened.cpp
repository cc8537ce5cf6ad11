// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// What happened: how many ports were found and how many candidates were refused on the way, why
// io_uring was not used where it was not, and which leases were stolen or forgotten.

#include <berth/berth.hpp>

#include <asio/io_context.hpp>

#include <cstdlib>
#include <iostream>
#include <vector>

using asio::ip::tcp;

namespace {

unsigned thefts = 0;

// A test suite would note a failure here.
void tell(const berth::report& one)
{
    const bool leaked = one.what == berth::incident::leak;
    std::cout << one.where.file_name() << ':' << one.where.line() << ": port " << one.port
              << (leaked ? " was never given back\n" : " is somebody else's now\n");
    if (leaked)
        std::_Exit(1); // whoever forgets a lease does not pass
    ++thefts;
}

bool count(asio::io_context& context)
{
    const berth::counters before = berth::process_counters();
    std::vector<berth::port_lease> leases;
    for (int i = 0; i < 100; ++i)
        berth::async_find_unused_port(context.get_executor(), {},
                                      [&](std::error_code ec, berth::port_lease lease) {
                                          if (!ec)
                                              leases.push_back(std::move(lease));
                                      });
    context.run();

    const berth::counters all = berth::process_counters() - before;
    std::cout << all.granted << " ports in " << all.batches << " batches and "
              << all.submissions << " submissions; " << all.tried << " candidates tried, "
              << all.refused << " refused\n";
    if (all.fallback_unavailable != 0)
        for (const auto& [which, available, reason] : berth::available_backends())
            if (which == berth::backend::io_uring)
                std::cout << "io_uring was not used: " << reason << '\n';
    return all.granted == leases.size() && leases.size() == 100 && all.batches != 0;
}

// Somebody is faster than the holder.
bool lose(asio::io_context& context)
{
    berth::port_lease lease = berth::find_unused_port();
    std::error_code ec;
    tcp::acceptor thief(context, tcp::v4());
    thief.set_option(tcp::acceptor::reuse_address(true));
    thief.bind({asio::ip::address_v4::loopback(), lease.port()}, ec);
    if (ec) { // on Windows nobody can
        std::cout << "port " << lease.port() << " cannot be stolen: " << ec.message()
                  << '\n';
        return true;
    }
    thief.listen();
    const tcp::acceptor none =
        std::move(lease).listen(context.get_executor(), 5, ec); // reports it
    std::cout << "listen: " << ec.message() << '\n';
    return !none.is_open() && thefts == 1;
}

} // namespace

int main()
{
    berth::set_report_handler(&tell);
    try {
        asio::io_context context;
        return count(context) && lose(context) ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
