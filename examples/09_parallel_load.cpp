// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// The heavy load: thousands of servers in many processes, each on a port of its own,
// coroutines and other people's programs; with berth, and once more with the method that
// everybody uses.

#include "parallel_load/coordinator.hpp"
#include "parallel_load/worker.hpp"

#include <csignal>
#include <cstdio>
#include <exception>

int main(int argc, char** argv)
{
    // Who reads our pipes may be gone; there is an error for that.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        const load::settings its = load::parse(argc, argv);
        return its.part == load::role::coordinator ? load::coordinate(its)
                                                   : load::work(its);
    } catch (const load::no_run& e) {
        return e.status;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "09_parallel_load: %s\n", e.what());
        return 1;
    }
}
