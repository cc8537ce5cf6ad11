// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <nlohmann/json.hpp>

#include <sys/types.h>

#include <functional>
#include <memory>
#include <vector>

namespace bench {

/// A forked process that answers questions for as long as this object lives. To be made while
/// the process has one thread.
class helper {
public:
    using service = std::function<nlohmann::json(const nlohmann::json& question)>;

    /// `prepare` runs in the new process and returns what answers there. Returns when that is
    /// ready. What it throws is thrown here, not_possible_here as such.
    explicit helper(const std::function<service()>& prepare);
    helper(const helper&) = delete;
    helper& operator=(const helper&) = delete;
    ~helper();

    void ask(const nlohmann::json& question) const;

    /// The answer to the question; throws what was thrown instead.
    [[nodiscard]] nlohmann::json hear() const;

private:
    void end() const;

    int channel_ = -1;
    pid_t pid_ = -1;
};

using helpers = std::vector<std::unique_ptr<helper>>;

/// So many processes alike.
[[nodiscard]] helpers make_helpers(unsigned count,
                                   const std::function<helper::service()>& prepare);

/// Asks all of them at once, and waits for all answers.
[[nodiscard]] std::vector<nlohmann::json> ask_all(const helpers& all,
                                                  const nlohmann::json& question);

/// The time from the first "start" to the last "end" in such answers, which now() told.
[[nodiscard]] double seconds_together(const std::vector<nlohmann::json>& answers);

/// Answers with one function in a process of its own, once.
[[nodiscard]] nlohmann::json in_own_process(const std::function<nlohmann::json()>& body);

} // namespace bench
