// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "platform.hpp"

#include <windows.h>

bool berth::testing::under_wine() noexcept
{
    return ::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), "wine_get_version") !=
           nullptr;
}
