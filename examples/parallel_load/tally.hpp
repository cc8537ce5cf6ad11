// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace load {

/// How a server and its client fared.
enum class fate {
    answered, // the client heard its own server
    stolen,   // the port was in use when the server came to bind it
    wrong,    // the client heard somebody else: the port was stolen, and nobody noticed
    failed,   // anything else
    not_run,  // the program is not there
};

/// The servers of one kind: of the program's own, or of one foreign program.
struct counts {
    std::uint64_t answered = 0;
    std::uint64_t stolen = 0; // those that were answered wrongly too
    std::uint64_t wrong = 0;
    std::uint64_t failed = 0;
    std::string not_run; // why, where it was not

    void add(fate what);
    void add(const counts& others);
};

/// What one worker found, or all together.
struct tally {
    counts servers;
    std::map<std::string, counts> programs; // foreign servers by name
    std::vector<std::string> messages;      // of the first failures

    // Nanoseconds that each allocation took, and that each coroutine server had to wait
    // for its port since the round began.
    std::vector<std::uint64_t> binds;
    std::vector<std::uint64_t> finds;
    std::vector<std::uint64_t> waits;

    // Of the workers with coroutine servers: the time spent in rounds, and their number.
    double seconds = 0;
    unsigned workers = 0;

    void complain(const std::string& message);
    void add(tally other);

    /// All servers, foreign ones too.
    [[nodiscard]] counts everything() const;
    [[nodiscard]] std::uint64_t allocations() const
    {
        return binds.size() + finds.size();
    }
    [[nodiscard]] double allocations_per_second() const;
};

void to_json(nlohmann::json& to, const tally& from);
void from_json(const nlohmann::json& from, tally& to);

/// Measures time since it was made.
class stopwatch {
public:
    [[nodiscard]] std::uint64_t nanoseconds() const
    {
        const std::chrono::nanoseconds passed = std::chrono::steady_clock::now() - start_;
        return static_cast<std::uint64_t>(passed.count());
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

} // namespace load
