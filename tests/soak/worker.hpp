// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "ledger.hpp"

namespace berth::soak {

/// The body of a process that uses everything the library offers, at random, until the soak is
/// over or its time has come.
void be_worker(generator chance);

} // namespace berth::soak
