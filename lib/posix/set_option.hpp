// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "last_error.hpp"

#include <sys/socket.h>

namespace berth::detail {

/// setsockopt() with an int.
inline std::error_code set_option(int socket, int level, int option, int value) noexcept
{
    if (::setsockopt(socket, level, option, &value, sizeof(value)) != 0)
        return last_error();
    return {};
}

} // namespace berth::detail
