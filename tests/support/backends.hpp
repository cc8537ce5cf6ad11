// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/backend.hpp>

#include <vector>

namespace berth::testing {

/// The back ends to run a test on: every one that works here.
inline std::vector<backend> working_backends()
{
    std::vector<backend> working;
    for (const backend_status& one : available_backends())
        if (one.available)
            working.push_back(one.which);
    return working;
}

} // namespace berth::testing

/// Runs the rest of the scope once for each back end.
#define BERTH_EACH_BACKEND(name)                                                         \
    const ::berth::backend name =                                                        \
        GENERATE(from_range(::berth::testing::working_backends()));                      \
    INFO("back end " << ::berth::to_string(name))
