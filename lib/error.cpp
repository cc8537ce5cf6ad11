// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include <berth/error.hpp>

#include <string>

namespace berth {

namespace {

class category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "berth"; }

    [[nodiscard]] std::string message(int value) const override
    {
        switch (static_cast<error>(value)) {
        case error::ports_exhausted:
            return "every candidate port was refused once: widen the range or give ports "
                   "back";
        case error::invalid_range:
            return "not a port range: two ports from 1 to 65535 are wanted, the lower "
                   "first";
        case error::reuse_address_set:
            return "the socket has SO_REUSEADDR set, another socket could share its "
                   "port: "
                   "open it without (an Asio acceptor: open(), not the constructor with "
                   "an "
                   "endpoint)";
        case error::reuse_port_set:
            return "the socket has SO_REUSEPORT set, another socket could share its "
                   "port: "
                   "open it without";
        case error::backend_unavailable:
            return "the back end asked for is not available";
        case error::lease_empty:
            return "the lease holds no port in this process";
        case error::too_many_ranges:
            return "a set of ports holds at most 16 separate ranges";
        case error::no_ports:
            return "the options leave no port to choose from: widen `ports`";
        case error::invalid_preferred:
            return "the option `preferred` is 0: a port from 1 to 65535 is wanted";
        case error::invalid_transports:
            return "the option `transports` names none: tcp, udp or both is wanted";
        case error::invalid_families:
            return "the option `families` names none, or leaves out the family of one of "
                   "`addresses`: v4, v6 or both is wanted";
        case error::invalid_pattern:
            return "nothing can match the pattern: 1 to 65535 ports are wanted, offsets "
                   "given "
                   "once with 0 among them, multiples of 1 or more";
        case error::pattern_too_wide:
            return "the pattern is too wide for the ports to choose from: widen `ports`";
        case error::not_tcp:
            return "the lease holds no TCP port, which is what can listen";
        case error::process_ended:
            return "the process has ended before what was waited for";
        case error::wrong_owner:
            return "another process listens on the port than the one asked for";
        }
        return "unknown error " + std::to_string(value);
    }

    [[nodiscard]] std::error_condition
    default_error_condition(int value) const noexcept override
    {
        switch (static_cast<error>(value)) {
        case error::ports_exhausted:
        case error::wrong_owner:
            return std::errc::address_in_use;
        case error::invalid_range:
        case error::reuse_address_set:
        case error::reuse_port_set:
        case error::too_many_ranges:
        case error::no_ports:
        case error::invalid_preferred:
        case error::invalid_transports:
        case error::invalid_families:
        case error::invalid_pattern:
        case error::pattern_too_wide:
            return std::errc::invalid_argument;
        case error::not_tcp:
            return std::errc::wrong_protocol_type;
        case error::backend_unavailable:
            return std::errc::not_supported;
        case error::lease_empty:
            return std::errc::bad_file_descriptor;
        case error::process_ended:
            return std::errc::no_such_process;
        }
        return {value, *this};
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

const std::error_category& error_category() noexcept
{
    return the_category.its;
}

std::error_code make_error_code(error e) noexcept
{
    return {static_cast<int>(e), error_category()};
}

} // namespace berth
