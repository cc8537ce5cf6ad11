// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "process.hpp"
#include "sockets.hpp"

#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>

#include <asio/io_context.hpp>
#include <asio/read.hpp>

#include <windows.h>

#include <string>

using asio::ip::address_v4;
using asio::ip::address_v6;
using asio::ip::tcp;
using namespace berth::testing;

namespace {

std::string in_hexadecimal(const berth::protocol_info& info)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : info) {
        text += digits[std::to_integer<std::size_t>(byte >> 4)];
        text += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
    }
    return text;
}

} // namespace

TEST_CASE("another process takes over the very socket, with no gap", "[windows]")
{
    auto lease = berth::find_unused_port();
    const auto port = lease.port();
    process heir("take_over");
    heir.say(in_hexadecimal(lease.duplicate_for(heir.id())));
    REQUIRE(heir.hear() == "listening");
    lease.release();
    CHECK(!is_free(port));

    asio::io_context context;
    tcp::socket client(context);
    client.connect({address_v4::loopback(), port});
    std::string greeting(4, ' ');
    asio::read(client, asio::buffer(greeting));
    CHECK(greeting == "ahoy");
}

TEST_CASE("a socket that is handed over to nobody is an error", "[windows]")
{
    const auto lease = berth::find_unused_port();
    std::error_code ec;
    (void)lease.duplicate_for(0, ec);
    CHECK(ec);
    CHECK_THROWS_AS(lease.duplicate_for(0), std::system_error);

    const berth::port_lease empty;
    (void)empty.duplicate_for(::GetCurrentProcessId(), ec);
    CHECK(ec == berth::error::lease_empty);
}
