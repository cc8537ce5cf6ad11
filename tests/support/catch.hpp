// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

// Catch2 2.13 (Debian 12) and 3: the only file that knows the difference.

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
namespace berth::testing {
using Catch::Matchers::ContainsSubstring;
} // namespace berth::testing
#else
#include <catch2/catch.hpp>
namespace berth::testing {
inline auto ContainsSubstring(const std::string& part)
{
    return Catch::Contains(part);
}
} // namespace berth::testing
#endif

namespace berth::testing {

/// Records that the running test case was left, or a part of it, and why. All reasons are
/// printed at the end of the run.
void note_skip(const std::string& reason);

} // namespace berth::testing

/// Leaves a test case.
#define BERTH_SKIP(reason)                                                               \
    do {                                                                                 \
        ::berth::testing::note_skip(reason);                                             \
        return;                                                                          \
    } while (false)
