// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/syscall.h>

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#define SYS_io_uring_register 427
#endif

namespace berth::testing {

/// Makes a system call fail with this error from now on, in the calling thread and in the threads
/// and processes that it starts, as the filters of containers do. Throws not_possible_here where
/// a filter is not allowed.
void forbid(unsigned call, int error);

/// Makes the calls of socket() that ask for this type fail likewise.
void forbid_sockets(int type, int error);

} // namespace berth::testing
