// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/detail/system_error.hpp>

#include <asio/error.hpp>

#include <winsock2.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace berth::detail {

namespace {

// What sockets can say when they are opened, bound, handed over and connected.
constexpr std::array<std::pair<int, std::errc>, 23> known = {{
    {ERROR_INVALID_HANDLE, std::errc::bad_file_descriptor},
    {ERROR_NOT_ENOUGH_MEMORY, std::errc::not_enough_memory},
    {ERROR_NOT_SUPPORTED, std::errc::not_supported},
    {WSAEACCES, std::errc::permission_denied},
    {WSAEADDRINUSE, std::errc::address_in_use},
    {WSAEADDRNOTAVAIL, std::errc::address_not_available},
    {WSAEAFNOSUPPORT, std::errc::address_family_not_supported},
    {WSAEBADF, std::errc::bad_file_descriptor},
    {WSAECONNABORTED, std::errc::connection_aborted},
    {WSAECONNREFUSED, std::errc::connection_refused},
    {WSAECONNRESET, std::errc::connection_reset},
    {WSAEFAULT, std::errc::bad_address},
    {WSAEHOSTUNREACH, std::errc::host_unreachable},
    {WSAEINVAL, std::errc::invalid_argument},
    {WSAEMFILE, std::errc::too_many_files_open},
    {WSAENETDOWN, std::errc::network_down},
    {WSAENETUNREACH, std::errc::network_unreachable},
    {WSAENOBUFS, std::errc::no_buffer_space},
    {WSAENOTCONN, std::errc::not_connected},
    {WSAENOTSOCK, std::errc::not_a_socket},
    {WSAEOPNOTSUPP, std::errc::operation_not_supported},
    {WSAEPROTONOSUPPORT, std::errc::protocol_not_supported},
    {WSAETIMEDOUT, std::errc::timed_out},
}};

class category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "system"; }

    [[nodiscard]] std::string message(int value) const override
    {
        return asio::error::get_system_category().message(value);
    }

    [[nodiscard]] std::error_condition
    default_error_condition(int value) const noexcept override
    {
        const auto found =
            std::ranges::find(known, value, &std::pair<int, std::errc>::first);
        return found != known.end() ? std::error_condition(found->second)
                                    : std::error_condition(value, *this);
    }
};

// Never destroyed: errors are made until the very end of a program. Nor is memory needed.
union lasting_category {
    constexpr lasting_category() noexcept : its() {}
    ~lasting_category() {} // NOLINT(modernize-use-equals-default): that would be deleted

    category its;
};

constinit const lasting_category the_category;

} // namespace

const std::error_category& system_errors() noexcept
{
    return the_category.its;
}

} // namespace berth::detail
