// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../fork_registry.hpp"

// There is no fork(), and berth's sockets are not inherited by the processes that are started.

namespace berth::detail {

fork_guard::fork_guard() noexcept : counted_(false) {}

fork_guard::~fork_guard() = default;

void close_in_child(native_socket /*descriptor*/) noexcept {}

void keep_in_child(native_socket /*descriptor*/) noexcept {}

std::uint32_t fork_generation() noexcept
{
    return 0;
}

void call_in_child(void (* /*function*/)() noexcept) noexcept {}

} // namespace berth::detail
