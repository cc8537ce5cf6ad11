// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// What /proc tells of processes (proc(5)), as far as this user may know.

namespace berth::detail {

/// A process and all that descend from it. One that is started meanwhile may be missed.
[[nodiscard]] std::vector<std::uint32_t> process_tree(std::uint32_t root);

/// Whether a process has a descriptor of a socket.
enum class possession { no, yes, unknown };
[[nodiscard]] possession has_socket(std::uint32_t process, std::uint32_t inode);

/// The first process that has a descriptor of a socket; 0 where none is known to.
[[nodiscard]] std::uint32_t socket_holder(std::uint32_t inode);

/// The name of a process's program; empty when it has gone.
[[nodiscard]] std::string process_name(std::uint32_t process);

} // namespace berth::detail
