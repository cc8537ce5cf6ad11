// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "platform.hpp"

bool berth::testing::under_wine() noexcept
{
    return false;
}
