// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/backend.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace load {

/// How ports are come by.
enum class method {
    berth,
    original, // bind to port 0, read the number; for a number alone: close the socket,
              // hope
};

[[nodiscard]] std::string to_string(method which);

/// The part that a process plays.
enum class role {
    coordinator, // starts the others
    echo,        // a worker with coroutine servers
    foreign,     // the worker that runs other people's servers
};

/// What was asked for on the command line.
struct settings {
    unsigned servers = 1000; // at once, of each kind; for a worker: its share
    unsigned rounds = 0;     // 0: until there were enough allocations
    unsigned workers = 0;    // 0: one per core, at least 4
    unsigned threads = 1;    // of a worker
    std::uint64_t seed = 0;
    berth::backend backend = berth::backend::automatic;
    bool json = false;
    bool only_berth = false;

    role part = role::coordinator;
    method with = method::berth;
    unsigned number = 0;   // of the worker
    std::string directory; // where foreign servers may write
};

/// Thrown where the command line asks for no run: for help, or for something impossible.
struct no_run {
    int status;
};

/// Reads the command line; says itself what is wrong with it.
[[nodiscard]] settings parse(int argc, char** argv);

/// The command line that makes a worker of this program.
[[nodiscard]] std::vector<std::string> worker_command(const settings& worker);

} // namespace load
