// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "winsock.hpp"

#include "../system.hpp"

#include <berth/error.hpp>

#include <asio/ip/tcp.hpp>

namespace berth::detail {

namespace {

constexpr DWORD as_wanted = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;

int family_of(const asio::ip::address& address) noexcept
{
    return address.is_v6() ? AF_INET6 : AF_INET;
}

asio::ip::address wildcard_beside(const asio::ip::address& address) noexcept
{
    if (address.is_v6())
        return asio::ip::address_v6::any();
    return asio::ip::address_v4::any();
}

// Whether a port is free on every address of the family, for the same lease may hold it on one of
// the other. Microsoft's table of binds lets an exclusive socket on
// one address in beside a server on the wildcard, whose clients it would take
// (https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse).
// An exclusive socket on the wildcard is let in beside nobody: WSAEADDRINUSE says that somebody
// has the port, WSAEACCES that the range is excluded (Hyper-V, WinNAT, an administrator).
std::error_code probe(const asio::ip::address& address, int type,
                      std::uint16_t port) noexcept
{
    const asio::ip::address everywhere = wildcard_beside(address);
    std::error_code ec;
    const unique_socket socket = open_socket(everywhere, type, ec);
    if (!ec && everywhere.is_v6())
        ec = set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!ec)
        ec = set_option(socket.get(), SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
    return ec ? ec : bind_to(socket.get(), everywhere, port);
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

unique_socket open_socket(const asio::ip::address& address, int type,
                          std::error_code& ec) noexcept
{
    unique_socket made(::WSASocketW(family_of(address), type, 0, nullptr, 0, as_wanted));
    ec = made.get() == no_socket ? last_error() : std::error_code();
    return made;
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

port_hunt::step search_and_bind(native_socket socket, int type, const socket_spec& spec,
                                port_hunt& hunt)
{
    const asio::ip::address& address = spec.address;
    // Where one of berth's own is there already a probe would meet that one.
    const bool probes = !spec.beside_own && !address.is_unspecified();
    const auto step = hunt.search([&](std::uint16_t port) {
        const auto taken = probes ? probe(address, type, port) : std::error_code();
        return taken ? taken : bind_to(socket, address, port);
    });
    if (step.port != 0 || step.ec)
        return step;
    std::error_code ec;
    const std::uint16_t port = bind_anywhere(socket, address, ec);
    return {port, ec};
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
