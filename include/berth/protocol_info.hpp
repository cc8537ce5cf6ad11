// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>

namespace berth {

/// Windows: the bytes of the WSAPROTOCOL_INFOW with which another process opens a socket of this
/// one. It is good for one WSASocketW() in the process that it was made for.
///
/// Example:
/// @code
/// WSAPROTOCOL_INFOW info = std::bit_cast<WSAPROTOCOL_INFOW>(received);
/// SOCKET socket = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info,
///                            0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
/// @endcode
using protocol_info = std::array<std::byte, 628>;

} // namespace berth
