// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// A process that ends while it has leases, and looks at what it is told of them: no framework, for
// what is tested comes after main().

#include <berth/detail/config.hpp>
#include <berth/find_unused_port.hpp>
#include <berth/report.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct leak {
    std::uint16_t port;
    unsigned line;
};

// Both made before the handler is set, so that they are there when it is called.
std::vector<leak> wanted;
std::vector<leak> told;

berth::port_lease older_static; // NOLINT(cert-err58-cpp): it does not throw

void tell(const berth::report& one)
{
    if (one.what == berth::incident::leak &&
        (BERTH_HAS_SOURCE_LOCATION == 0 ||
         std::string(one.where.file_name()).find("leak_at_exit.cpp") !=
             std::string::npos))
        told.push_back({one.port, one.where.line()});
    else
        told.push_back({0, 0});
}

void judge()
{
    bool right = told.size() == wanted.size();
    for (const leak& one : told)
        std::printf("told: port %u, line %u\n", unsigned(one.port), one.line);
    for (const leak& one : wanted) {
        std::printf("wanted: port %u, line %u\n", unsigned(one.port), one.line);
        bool found = false;
        for (const leak& other : told)
            found = found || (other.port == one.port &&
                              (BERTH_HAS_SOURCE_LOCATION == 0 || other.line == one.line));
        right = right && found;
    }
    std::fflush(stdout);
    std::_Exit(right ? 0 : 1); // std::exit() may not be called again
}

} // namespace

int main()
{
    const berth::port_lease unknown = berth::find_unused_port();
    std::atexit(&judge); // after the reports
    berth::set_report_handler(&tell);

    older_static = berth::find_unused_port();
    wanted.push_back({older_static.port(), __LINE__ - 1});

    static const auto* const heap = new berth::port_lease(berth::find_unused_port());
    wanted.push_back({heap->port(), __LINE__ - 1});

    static const berth::port_lease later_static = berth::find_unused_port();
    const berth::port_lease local = berth::find_unused_port();
    berth::port_lease given_back = berth::find_unused_port();
    given_back.release();
    berth::port_lease moved = berth::find_unused_port();
    older_static = std::move(moved);
    wanted.front() = {older_static.port(), __LINE__ - 2};
    return 0;
}
