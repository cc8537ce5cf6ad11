// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "descriptors.hpp"

#include <filesystem>
#include <iterator>

std::size_t berth::testing::open_descriptors()
{
    // The one that lists the directory is in the list.
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all))) - 1;
}
