// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>
#include <berth/detail/system_error.hpp>

#include <system_error>

namespace berth::detail {

/// Makes the Asio object the owner of an open socket; on an error nobody owns it any more.
template <class Socket>
void adopt(Socket& object, const typename Socket::protocol_type& protocol,
           unique_socket socket, std::error_code& ec)
{
    object.assign(protocol, socket.get(), ec);
    ec = as_system_error(ec);
    if (!ec)
        socket.release();
}

} // namespace berth::detail
