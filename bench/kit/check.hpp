// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <system_error>

namespace bench {

/// The result of a system call; throws what errno says where it is -1.
inline int check(int result, const char* call)
{
    if (result == -1)
        throw std::system_error(errno, std::system_category(), call);
    return result;
}

} // namespace bench
