// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string>

namespace load {

/// Shows on the standard error how far the work is: a bar on a terminal, elsewhere a line
/// for every tenth.
class progress_bar {
public:
    progress_bar(std::uint64_t total, bool on_terminal);
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;
    ~progress_bar();

    void label(std::string text);
    void advance(std::uint64_t by);

private:
    void show();

    const std::uint64_t total_;
    const bool on_terminal_;
    std::string label_;
    std::uint64_t done_ = 0;
    std::uint64_t shown_ = 0; // in percent, or in tenths
};

} // namespace load
