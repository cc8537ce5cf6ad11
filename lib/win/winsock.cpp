// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "winsock.hpp"

#include "../system.hpp"

#include <berth/error.hpp>

#include <asio/ip/tcp.hpp>

namespace berth::detail {

namespace {

constexpr DWORD as_wanted = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;

unique_socket made(SOCKET socket, std::error_code& ec) noexcept
{
    ec = socket == INVALID_SOCKET ? last_error() : std::error_code();
    return unique_socket(socket);
}

} // namespace

winsock::winsock()
{
    constexpr WORD version = MAKEWORD(2, 2);
    WSADATA ignored = {};
    if (const int error = ::WSAStartup(version, &ignored); error != 0)
        throw std::system_error(error, system_errors(), "WSAStartup");
}

winsock::~winsock()
{
    ::WSACleanup();
}

std::error_code last_error() noexcept
{
    return {::WSAGetLastError(), system_errors()};
}

unique_socket open_socket(int family, int type, std::error_code& ec) noexcept
{
    return made(::WSASocketW(family, type, 0, nullptr, 0, as_wanted), ec);
}

unique_socket open_socket(WSAPROTOCOL_INFOW info, std::error_code& ec) noexcept
{
    return made(::WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
                             &info, 0, as_wanted),
                ec);
}

std::error_code set_option(native_socket socket, int level, int option,
                           int value) noexcept
{
    const auto* const bytes = reinterpret_cast<const char*>(&value);
    return ::setsockopt(socket, level, option, bytes, sizeof(value)) != 0
               ? last_error()
               : std::error_code();
}

int get_option(native_socket socket, int level, int option, std::error_code& ec) noexcept
{
    int value = 0;
    int size = sizeof(value);
    auto* const bytes = reinterpret_cast<char*>(&value);
    ec = ::getsockopt(socket, level, option, bytes, &size) != 0 ? last_error()
                                                                : std::error_code();
    return value;
}

std::uint16_t bind_anywhere(native_socket socket, const asio::ip::address& address,
                            std::error_code& ec) noexcept
{
    ec = bind_to(socket, address, 0);
    if (ec == std::errc::address_in_use)
        ec = error::ports_exhausted;
    if (ec)
        return 0;
    asio::ip::tcp::endpoint own; // has room for both families
    int size = static_cast<int>(own.capacity());
    if (::getsockname(socket, own.data(), &size) != 0)
        ec = last_error();
    return own.port();
}

void close_socket(native_socket socket) noexcept
{
    ::closesocket(socket);
}

} // namespace berth::detail
