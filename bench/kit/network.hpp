// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "helper.hpp"

#include <string>

namespace bench {

/// Moves this process, best a helper, into a network of its own with the default ephemeral
/// range. Throws not_possible_here.
void enter_private_network();

/// The soft limit of descriptors is raised as far as may be, for this process and those it
/// makes. Throws not_possible_here where that is not enough.
void need_descriptors(std::size_t count);

/// Which ports of the range are in use.
enum class spread {
    by_bind,  ///< As the kernel gives them for bind to port 0: first the odd ones.
    by_chance ///< Any.
};

[[nodiscard]] std::string to_string(spread how);

/// Other processes that hold a share of the ephemeral range with bound sockets, for as long as
/// this object lives.
class crowd {
public:
    crowd(unsigned percent, spread how);

private:
    helpers holders_;
};

} // namespace bench
