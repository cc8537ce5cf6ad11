// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/detail/config.hpp>

#include <version>

// Each macro is always defined, as 0 or 1.

#if defined(_WIN32)
#define BERTH_WINDOWS 1
#else
#define BERTH_WINDOWS 0
#endif

// The co_ functions need Asio's awaitable. Asio before 1.24 offers it with g++ only.
#if defined(ASIO_HAS_CO_AWAIT)
#define BERTH_HAS_CO_AWAIT 1
#else
#define BERTH_HAS_CO_AWAIT 0
#endif

// clang before 16 cannot say where a default argument is used.
#if defined(__cpp_lib_source_location)
#define BERTH_HAS_SOURCE_LOCATION 1
#else
#define BERTH_HAS_SOURCE_LOCATION 0
#endif
