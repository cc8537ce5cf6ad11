// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"

#include <berth/error.hpp>

#include <set>
#include <string>

using berth::error;

TEST_CASE("every error has a message of its own and says so in a standard condition",
          "[unit]")
{
    const std::pair<error, std::errc> all[] = {
        {error::ports_exhausted, std::errc::address_in_use},
        {error::invalid_range, std::errc::invalid_argument},
        {error::reuse_address_set, std::errc::invalid_argument},
        {error::reuse_port_set, std::errc::invalid_argument},
        {error::backend_unavailable, std::errc::not_supported},
        {error::lease_empty, std::errc::bad_file_descriptor},
        {error::too_many_ranges, std::errc::invalid_argument},
        {error::no_ports, std::errc::invalid_argument},
        {error::invalid_preferred, std::errc::invalid_argument},
        {error::invalid_transports, std::errc::invalid_argument},
        {error::invalid_families, std::errc::invalid_argument},
        {error::invalid_pattern, std::errc::invalid_argument},
        {error::pattern_too_wide, std::errc::invalid_argument},
        {error::not_tcp, std::errc::wrong_protocol_type},
        {error::process_ended, std::errc::no_such_process},
        {error::wrong_owner, std::errc::address_in_use},
    };
    std::set<std::string> messages;
    for (const auto& [value, condition] : all) {
        const std::error_code ec = value;
        INFO(ec.message());
        CHECK(ec);
        CHECK(ec == condition);
        CHECK(ec.category() == berth::error_category());
        CHECK(ec.message().find("unknown") == std::string::npos);
        messages.insert(ec.message());
    }
    CHECK(messages.size() == std::size(all));
    CHECK(std::string(berth::error_category().name()) == "berth");
}

TEST_CASE("any number may arrive in the category", "[unit]")
{
    for (const int value : {-1, 0, 1000, 2000}) {
        const std::error_code ec(value, berth::error_category());
        CHECK(ec.message() == "unknown error " + std::to_string(value));
        CHECK(ec.default_error_condition().category() == berth::error_category());
        CHECK(ec != std::errc::address_in_use);
    }
}
