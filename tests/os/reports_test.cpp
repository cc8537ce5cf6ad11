// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"

#include <berth/detail/config.hpp>
#include <berth/find_unused_port.hpp>
#include <berth/report.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

using asio::ip::address_v4;
using asio::ip::tcp;
using berth::incident;
using berth::port_lease;
using berth::report;
using namespace berth::testing;

namespace {

/// Has the reports written down while it lives.
class reporting {
public:
    reporting()
    {
        told.clear();
        before_ = berth::set_report_handler([](const report& one) {
            const std::lock_guard lock(mutex);
            told.push_back(one);
        });
    }
    reporting(const reporting&) = delete;
    reporting& operator=(const reporting&) = delete;
    ~reporting() { berth::set_report_handler(before_); }

    static std::vector<report> so_far()
    {
        const std::lock_guard lock(mutex);
        return told;
    }

private:
    static inline std::mutex mutex;
    static inline std::vector<report> told;

    berth::report_handler before_;
};

/// Fails to listen because a server has bound the open lease.
void be_robbed(port_lease& lease)
{
    asio::io_context context;
    const tcp::acceptor server(context,
                               tcp::endpoint(address_v4::loopback(), lease.port()));
    std::error_code ec;
    CHECK(!std::move(lease).listen(context.get_executor(), 5, ec).is_open());
    CHECK(ec == std::errc::address_in_use);
}

void check_theft(const report& one, std::uint16_t port, unsigned line)
{
    CHECK(one.what == incident::theft);
    CHECK(one.port == port);
    if (BERTH_HAS_SOURCE_LOCATION == 0)
        return;
    CHECK(one.where.line() == line);
    CHECK_THAT(one.where.file_name(), ContainsSubstring("reports_test.cpp"));
}

} // namespace

TEST_CASE("there is no handler at first, and each one gives way to the next", "[os]")
{
    const berth::report_handler one = [](const report&) {};
    CHECK(berth::set_report_handler(one) == nullptr);
    CHECK(berth::set_report_handler(nullptr) == one);
    CHECK(berth::set_report_handler(nullptr) == nullptr);
}

TEST_CASE("a theft is reported with the port and the line that asked for the lease",
          "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    const reporting handler;
    unsigned line = 0;
    port_lease lease;
    SECTION("at once")
    {
        line = __LINE__ + 1;
        lease = berth::find_unused_port({.backend = which});
    }
    SECTION("without options")
    {
        line = __LINE__ + 1;
        lease = berth::find_unused_port();
    }
    SECTION("with options made before")
    {
        line = __LINE__ + 1;
        const berth::find_options options = {.backend = which};
        lease = berth::find_unused_port(options);
    }
    SECTION("with a handler")
    {
        asio::io_context context;
        line = __LINE__ + 1; // in a call of several lines it may be any of them
        const berth::find_options options = {.backend = which};
        berth::async_find_unused_port(
            context.get_executor(), options,
            [&](std::error_code, port_lease found) { lease = std::move(found); });
        context.run();
    }
#if BERTH_HAS_CO_AWAIT
    SECTION("in a coroutine")
    {
        asio::io_context context;
        asio::co_spawn(
            context,
            [&]() -> asio::awaitable<void> {
                line = __LINE__ + 1;
                lease = co_await berth::co_find_unused_port({.backend = which});
            },
            asio::detached);
        context.run();
    }
    SECTION("in a coroutine without options")
    {
        asio::io_context context;
        asio::co_spawn(
            context,
            [&]() -> asio::awaitable<void> {
                line = __LINE__ + 1;
                lease = co_await berth::co_find_unused_port();
            },
            asio::detached);
        context.run();
    }
#endif
    port_lease elsewhere = std::move(lease);
    be_robbed(elsewhere);
    REQUIRE(handler.so_far().size() == 1);
    check_theft(handler.so_far().front(), elsewhere.port(), line);

    // The lease is as before, and what happens again is told again.
    be_robbed(elsewhere);
    CHECK(handler.so_far().size() == 2);
}

TEST_CASE("leases of one number on two addresses are told apart", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    const reporting handler;
    asio::io_context context;
    bool seen = false;
    for (int i = 0; i < 50 && !seen; ++i) {
        port_lease one = berth::find_unused_port(
            {.addresses = address_v4(0x7f000001), .backend = which});
        std::error_code ec;
        const auto address = address_v4(0x7f000002);
        const berth::port_range port = {one.port(), one.port()};
        const unsigned line = __LINE__ + 1;
        berth::find_options same = {.addresses = address, .ports = port};
        same.backend = which;
        port_lease other = berth::find_unused_port(same, ec);
        if (ec)
            continue; // another process has it
        seen = true;
        one.release();
        const tcp::acceptor server(context, tcp::endpoint(address, other.port()));
        CHECK(!std::move(other).listen(context.get_executor(), 5, ec).is_open());
        REQUIRE(handler.so_far().size() == 1);
        check_theft(handler.so_far().front(), other.port(), line);
    }
    CHECK(seen);
}

TEST_CASE("of a lease that is older than the handler the place is not known", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    port_lease lease = berth::find_unused_port({.backend = which});
    const reporting handler;
    be_robbed(lease);
    REQUIRE(handler.so_far().size() == 1);
    CHECK(handler.so_far().front().port == lease.port());
    CHECK(handler.so_far().front().where.line() == 0);
    CHECK(handler.so_far().front().where.file_name() == std::string());
}

TEST_CASE("a lease is forgotten with its end, also while there is no handler", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    port_lease known;
    {
        const reporting handler;
        known = berth::find_unused_port({.backend = which});
    }
    known = port_lease();
    // This one may be known to the back end by the same handle.
    port_lease unknown = berth::find_unused_port({.backend = which});
    const reporting handler;
    be_robbed(unknown);
    REQUIRE(handler.so_far().size() == 1);
    CHECK(handler.so_far().front().where.line() == 0);
}

TEST_CASE("nothing is reported where all goes well, or fails for another reason", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const reporting handler;
    asio::io_context context;
    port_lease lease = berth::find_unused_port({.backend = which});
    const auto acceptor = std::move(lease).listen(context.get_executor());
    std::error_code ec;
    (void)std::move(lease).listen(context.get_executor(), 5,
                                  ec); // NOLINT: what is tested
    CHECK(ec);
    berth::find_unused_port({.backend = which}).release();
    CHECK(handler.so_far().empty());
}

TEST_CASE("a handler may call what it likes", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    static port_lease* stolen = nullptr;
    static std::uint16_t found = 0;
    const auto before = berth::set_report_handler([](const report&) {
        stolen->release();
        found = berth::find_unused_port().port();
        berth::set_report_handler(nullptr);
    });
    port_lease lease = berth::find_unused_port({.backend = which});
    stolen = &lease;
    be_robbed(lease);
    CHECK(!lease);
    CHECK(found != 0);
    CHECK(berth::set_report_handler(before) == nullptr);
}

TEST_CASE("leases of many threads are each known", "[os]")
{
    BERTH_NEEDS_OPEN_LEASES();
    BERTH_EACH_BACKEND(which);
    constexpr unsigned threads = 4;
    constexpr unsigned rounds = 25;
    const reporting handler;
    const unsigned line = __LINE__ + 1;
    const berth::find_options options = {.backend = which};
    {
        std::vector<std::jthread> pool;
        for (unsigned i = 0; i < threads; ++i)
            pool.emplace_back([&] {
                asio::io_context context;
                for (unsigned round = 0; round < rounds; ++round) {
                    (void)berth::find_unused_port(options);
                    port_lease lease = berth::find_unused_port(options);
                    const tcp::acceptor server(
                        context, tcp::endpoint(address_v4::loopback(), lease.port()));
                    std::error_code ec;
                    (void)std::move(lease).listen(context.get_executor(), 5, ec);
                }
            });
        for (unsigned round = 0; round < rounds; ++round)
            berth::set_report_handler(berth::set_report_handler(nullptr));
    }
    for (const report& one : handler.so_far())
        CHECK((one.where.line() == line || one.where.line() == 0));
    CHECK(handler.so_far().size() <= threads * rounds);
}
