// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "process.hpp"

#include <berth/berth.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <cstdlib>
#include <string>

// When BERTH_PORT_RANGE is read, and what is said of it.

using asio::ip::address_v4;
using asio::ip::tcp;
using berth::port_range;
using namespace berth::testing;

namespace {

void set_variable(const char* value)
{
    ::setenv("BERTH_PORT_RANGE", value, 1);
}

void expect_contains(const std::string& text, const std::string& part)
{
    expect(text.find(part) != std::string::npos, '"' + text + "\" says " + part);
}

void expect_port_in(port_range range)
{
    const berth::port_lease lease = berth::find_unused_port();
    expect(range.contains(lease.port()), std::to_string(lease.port()) + " is in range");
}

/// What the error of a call says.
template <class Call>
std::string message_of(Call&& call)
{
    try {
        (void)call();
    } catch (const std::system_error& e) {
        return e.what();
    }
    throw std::runtime_error("there is no error");
}

} // namespace

TEST_CASE("BERTH_PORT_RANGE is read once, at the first use", "[linux][environment]")
{
    BERTH_PASSES(in_process([] {
        set_variable("21000-21499");
        expect_port_in({21000, 21499});
        set_variable("nonsense");
        expect_port_in({21000, 21499});
        ::unsetenv("BERTH_PORT_RANGE");
        expect_port_in({21000, 21499});
    }));
}

TEST_CASE("the child of a fork reads BERTH_PORT_RANGE anew", "[linux][environment]")
{
    BERTH_PASSES(in_process([] {
        set_variable("21000-21499");
        expect_port_in({21000, 21499});
        set_variable("21500-21999");
        elsewhere([] { expect_port_in({21500, 21999}); });
        expect_port_in({21000, 21499});
    }));
}

TEST_CASE("an empty BERTH_PORT_RANGE changes nothing", "[linux][environment]")
{
    BERTH_PASSES(in_process([] {
        set_variable("");
        expect_port_in(port_range::system_ephemeral());
    }));
}

TEST_CASE("what is wrong with BERTH_PORT_RANGE is named", "[linux][environment]")
{
    const std::string value = GENERATE("0", "9-8", "1-65536", " 5", "5,", "ephemeral");
    BERTH_PASSES(in_process([&] {
        set_variable(value.c_str());
        std::error_code ec;
        (void)berth::find_unused_port({}, ec);
        expect(ec == berth::error::invalid_range, "the error: " + ec.message());
        expect_contains(message_of([] { return berth::find_unused_port(); }),
                        "BERTH_PORT_RANGE=" + value);
    }));
}

TEST_CASE("a BERTH_PORT_RANGE of too many ranges is that error", "[linux][environment]")
{
    BERTH_PASSES(in_process([] {
        set_variable("1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33");
        std::error_code ec;
        (void)berth::find_unused_port({}, ec);
        expect(ec == berth::error::too_many_ranges, "the error: " + ec.message());
    }));
}

TEST_CASE("a BERTH_PORT_RANGE that browsers block leaves nothing to choose from",
          "[linux][environment]")
{
    BERTH_PASSES(in_process([] {
        set_variable("6665-6669");
        std::error_code ec;
        (void)berth::find_unused_port({.browser_safe = true}, ec);
        expect(ec == berth::error::no_ports, "the error: " + ec.message());
        expect_contains(
            message_of([] { return berth::find_unused_port({.browser_safe = true}); }),
            "ports 6665-6669 of BERTH_PORT_RANGE, browser-safe");
    }));
}

TEST_CASE("an error names the ports that were searched, whatever the range is now",
          "[linux][environment]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network({44000, 44001}, [&] {
        need(which);
        const auto one = berth::find_unused_port({.backend = which});
        const auto other = berth::find_unused_port({.backend = which});
        write_network_setting("ip_local_port_range", "45000 45010");
        expect_contains(
            message_of([&] { return berth::find_unused_port({.backend = which}); }),
            "every address, ports 44000-44001, back end");
        asio::io_context context;
        tcp::socket own(context, tcp::v4());
        expect_contains(
            message_of([&] { return berth::bind_ephemeral(own, address_v4::any()); }),
            "0.0.0.0, ports 44000-44001)");
    }));
}
