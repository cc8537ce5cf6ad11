// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <nlohmann/json.hpp>

#include <functional>
#include <string>
#include <vector>

namespace bench {

/// How much is measured.
enum class extent {
    full,
    quick, ///< Enough for a verdict.
    smoke, ///< Each thing once, to see that it works.
};

/// A column of a table. The values are numbers, or texts in the leading columns.
struct column {
    std::string key;
    std::string heading;
    int width = 10;
    int decimals = 0; ///< Of numbers.
};

/// What a program measures: printed as a table while it goes on, and kept for the report.
class results {
public:
    /// Begins a table.
    void table(const std::string& title, std::vector<column> columns);

    /// A row of it. What it has beyond the columns is for the report alone.
    void add(const nlohmann::json& row);

    /// Says what is left out, and why; once.
    void skip(const std::string& reason);

    [[nodiscard]] const nlohmann::json& all() const { return all_; }

private:
    std::vector<column> columns_;
    nlohmann::json all_ = {{"tables", nlohmann::json::array()},
                           {"skipped", nlohmann::json::array()}};
};

/// Runs a benchmark as a program with the options that all of them have. The body returns the
/// exit status. Whatever happens, the program and its helpers end within a bounded time.
[[nodiscard]] int run_program(int argc, char** argv, const std::string& about,
                              const std::function<int(extent, results&)>& body);

} // namespace bench
