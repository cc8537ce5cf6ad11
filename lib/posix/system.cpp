// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../system.hpp"

#include "../fork_registry.hpp"
#include "last_error.hpp"
#include "set_option.hpp"
#include "socket_address.hpp"

#include <berth/detail/system_error.hpp>
#include <berth/error.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <string>

namespace berth {

namespace detail {

namespace {

constexpr port_range default_range = {32768, 60999};

bool is_set(int socket, int option) noexcept
{
    int value = 0;
    socklen_t size = sizeof(value);
    return ::getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 && value != 0;
}

bool is_passing(int error) noexcept
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

// A kernel parameter (https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html); empty
// where there is none.
std::string read_parameter(const std::string& name)
{
    const unique_socket file(
        ::open(("/proc/sys/net/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() == no_socket) {
        if (is_passing(errno))
            throw std::system_error(last_error(), name);
        return {};
    }
    // The kernel gives all of it to the first read, or cuts it short.
    std::string text(65536, '\0');
    const ssize_t size = ::read(file.get(), text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

std::error_code check_reuse_options(int socket) noexcept
{
    int type = 0;
    socklen_t size = sizeof(type);
    if (::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
        return last_error();
    if (type == SOCK_STREAM && is_set(socket, SO_REUSEADDR))
        return error::reuse_address_set;
    if (type == SOCK_STREAM && is_set(socket, SO_REUSEPORT))
        return error::reuse_port_set;
    return {};
}

} // namespace

port_range ephemeral_range()
{
    std::istringstream text(read_parameter("ipv4/ip_local_port_range"));
    port_range range{0, 0};
    return (text >> range.first >> range.last) && range.valid() ? range : default_range;
}

std::vector<port_range> reserved_ports()
{
    std::vector<port_range> reserved;
    std::istringstream text(read_parameter("ipv4/ip_local_reserved_ports"));
    for (std::string entry; std::getline(text, entry, ',');) {
        entry.erase(entry.find_last_not_of(" \n\t") + 1);
        std::error_code ec;
        const port_range range = port_range::parse(entry, ec);
        if (!ec)
            reserved.push_back(range);
    }
    return reserved;
}

bool have_ipv6()
{
    const unique_socket probe(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (probe.get() == no_socket && is_passing(errno))
        throw std::system_error(last_error(), "socket");
    return probe.get() != no_socket;
}

port_hunt::step bind_own(native_socket socket, const asio::ip::address& address,
                         port_hunt& hunt)
{
    if (const std::error_code ec = check_reuse_options(socket))
        return {0, ec};
    return hunt.search(
        [&](std::uint16_t port) { return bind_to(socket, address, port); });
}

std::error_code bind_to(native_socket socket, const asio::ip::address& address,
                        std::uint16_t port) noexcept
{
    const socket_address to(address, port);
    return ::bind(socket, to.data(), to.size()) != 0 ? last_error() : std::error_code();
}

const std::error_category& system_errors() noexcept
{
    return std::system_category();
}

std::error_code set_mode(native_socket holder, bool udp, lease_mode mode) noexcept
{
    const int value = mode == lease_mode::open ? 1 : 0;
    std::error_code ec = set_option(holder, SOL_SOCKET, SO_REUSEADDR, value);
    if (ec || udp) // never SO_REUSEPORT there, as in steps_for()
        return ec;
    ec = set_option(holder, SOL_SOCKET, SO_REUSEPORT, value);
    if (ec)
        (void)set_option(holder, SOL_SOCKET, SO_REUSEADDR, 1 - value);
    return ec;
}

protocol_info describe_socket(native_socket /*socket*/, std::uint32_t /*process*/,
                              std::error_code& ec) noexcept
{
    ec = make_error_code(std::errc::not_supported);
    return {};
}

void close_socket(native_socket socket) noexcept
{
    const fork_guard guard;
    keep_in_child(socket);
    // Not again on EINTR: Linux has closed the descriptor all the same (close(2)).
    ::close(socket);
}

} // namespace detail

port_range port_range::system_ephemeral() noexcept
{
    try {
        return detail::ephemeral_range();
    } catch (const std::exception&) {
        return detail::default_range;
    }
}

} // namespace berth
