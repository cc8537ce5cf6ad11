// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "full_backlog.hpp"

// Where a full queue refuses (Windows), or nobody has looked what it does.

berth::detail::full_backlog berth::detail::fill_backlog(native_socket /*listener*/,
                                                        std::error_code& ec) noexcept
{
    ec = make_error_code(std::errc::not_supported);
    return {};
}
