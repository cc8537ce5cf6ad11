// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace load {

namespace {

// Nobody need watch: where it cannot be written the work goes on.
void write(const std::string& text)
{
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
}

} // namespace

progress_bar::progress_bar(std::uint64_t total, bool on_terminal)
    : total_(std::max<std::uint64_t>(total, 1)), on_terminal_(on_terminal)
{}

progress_bar::~progress_bar()
{
    if (on_terminal_)
        write("\r\x1b[K"); // make room for the table
}

void progress_bar::label(std::string text)
{
    label_ = std::move(text);
    if (on_terminal_)
        show();
}

void progress_bar::advance(std::uint64_t by)
{
    done_ = std::min(done_ + by, total_);
    const std::uint64_t steps = on_terminal_ ? 100 : 10;
    const std::uint64_t reached = done_ * steps / total_;
    if (reached == shown_)
        return;
    shown_ = reached;
    show();
}

void progress_bar::show()
{
    constexpr std::uint64_t width = 40;
    const std::uint64_t percent = done_ * 100 / total_;
    if (on_terminal_) {
        const std::string bar(done_ * width / total_, '#');
        write(fmt::format("\r[{:.<{}}] {:3} %  {}\x1b[K", bar, width, percent, label_));
    } else {
        write(fmt::format("{:3} %  {}\n", percent, label_));
    }
}

} // namespace load
