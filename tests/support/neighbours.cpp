// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "neighbours.hpp"

#include <poll.h>
#include <unistd.h>

#include <exception>
#include <iostream>

// Holds sockets and leases in the network namespace of the tests, as the programs of a busy machine
// do, until its standard input ends.

int main()
{
    constexpr unsigned longest_seconds = 3600;
    constexpr int of_each_kind = 24;
    constexpr int pace_milliseconds = 1000; // 60 in TIME_WAIT for each family

    ::alarm(longest_seconds); // whatever else happens
    try {
        berth::testing::neighbours all(of_each_kind, 0, berth::backend::automatic);
        std::cout << "sockets and leases of another process, " << of_each_kind
                  << " of each kind" << std::endl;
        for (;;) {
            pollfd input = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
            char ignored = 0;
            if (::poll(&input, 1, pace_milliseconds) == 0)
                all.renew();
            else if (::read(STDIN_FILENO, &ignored, 1) <= 0)
                return 0;
        }
    } catch (const std::exception& e) {
        std::cerr << "neighbours: " << e.what() << '\n';
        return 1;
    }
}
