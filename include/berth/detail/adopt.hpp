// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/native_socket.hpp>

#include <system_error>

namespace berth::detail {

/// Asio has a system category of its own, which std::errc does not equal before Asio 1.23;
/// every error of the operating system leaves berth in the standard one.
inline std::error_code as_system_error(std::error_code ec) noexcept
{
    return ec ? std::error_code(ec.value(), std::system_category()) : ec;
}

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
