// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

#include <iostream>
#include <set>

namespace {

std::set<std::string> skips;

} // namespace

void berth::testing::note_skip(const std::string& reason)
{
    skips.insert(reason);
    SUCCEED("skipped: " + reason);
}

int main(int argc, char** argv)
{
    const int result = Catch::Session().run(argc, argv);
    for (const std::string& reason : skips)
        std::cout << "skipped: " << reason << '\n';
    return result;
}
