// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "child.hpp"
#include "descriptors.hpp"
#include "process.hpp"
#include "stranger.hpp"

#include <berth/berth.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <optional>

// Who has a port, and whose server it is that one waited for.

using berth::error;
using berth::port_state;
using berth::wait_options;
using namespace berth::testing;

namespace {

constexpr wait_options one_look = {.timeout = std::chrono::seconds(0)};

std::uint32_t own_id()
{
    return static_cast<std::uint32_t>(::getpid());
}

std::uint32_t id_of(const child& process)
{
    return static_cast<std::uint32_t>(process.pid());
}

std::error_code listening(berth::watched_port port, const wait_options& options)
{
    std::error_code ec;
    berth::wait_until_listening(port, options, ec);
    return ec;
}

/// A process that does nothing until its parent has gone.
void idle(channel& from)
{
    (void)from.hear();
}

bool tells_of_bound_sockets()
{
    const stranger socket("127.0.0.1");
    return socket.bind(0) == "ok" &&
           berth::find_port_owner(socket.port()).state == port_state::bound;
}

} // namespace

TEST_CASE("a port is free, bound, listening or connected, and has an owner", "[linux]")
{
    if (!tells_of_bound_sockets())
        BERTH_SKIP("this kernel does not tell of bound sockets (Linux 6.8 does)");
    // Elsewhere another process may be given the number on another address.
    BERTH_PASSES(in_quiet_network([] {
        const stranger socket("127.0.0.1");
        expect_equal(socket.bind(0), "ok", "bind()");
        const std::uint16_t port = socket.port();
        const berth::port_owner holder = berth::find_port_owner(port);
        expect(holder.state == port_state::bound, "it is bound");
        expect_equal(holder.process, own_id(), "who has bound it");

        expect_equal(socket.listen(), "ok", "listen()");
        const berth::port_owner server = berth::find_port_owner(port);
        expect(server.state == port_state::listening, "it listens");
        expect_equal(server.process, own_id(), "who listens");
        const std::size_t longest = 15; // TASK_COMM_LEN
        expect_equal(server.name, std::string("linux_port_owner").substr(0, longest),
                     "the name");

        const stranger client("127.0.0.1");
        expect_equal(client.connect("127.0.0.1", port), "ok", "connect()");
        expect(berth::find_port_owner(client.port()).state == port_state::connected,
               "it is connected");
        expect(berth::find_port_owner(1).state == port_state::free, "another is free");
    }));
}

TEST_CASE("a port is free and released, whichever other ports are bound", "[linux]")
{
    BERTH_PASSES(in_quiet_network([] {
        const stranger socket("127.0.0.1");
        expect_equal(socket.bind(0), "ok", "bind()");
        const berth::port_lease lease = berth::find_unused_port();

        const std::uint16_t other = 1;
        expect(berth::find_port_owner(other).state == port_state::free, "it is free");
        std::error_code ec;
        berth::wait_until_released(other, one_look, ec);
        expect_equal(ec, std::error_code(), "wait_until_released()");
    }));
}

TEST_CASE("of a lease and the server on it the server is the owner", "[linux]")
{
    BERTH_EACH_BACKEND(which);
    const berth::port_lease lease = berth::find_unused_port({.backend = which});
    CHECK(listening(lease, one_look) == std::errc::timed_out);
    CHECK_NOTHROW(berth::wait_until_released(lease, one_look));

    foreign_server server("127.0.0.1", lease.port(), reuse::address);
    REQUIRE(server.start() == "ok");
    CHECK(berth::find_port_owner(lease.port()).state == port_state::listening);
    CHECK(berth::find_port_owner(lease.port()).process != own_id());
    server.stop();
    CHECK_NOTHROW(berth::wait_until_released(lease));
}

TEST_CASE("a lease is seen by whoever waits for its number", "[linux]")
{
    if (!tells_of_bound_sockets())
        BERTH_SKIP("this kernel does not tell of bound sockets (Linux 6.8 does)");
    BERTH_EACH_BACKEND(which);
    berth::port_lease lease = berth::find_unused_port({.backend = which});
    const std::uint16_t port = lease.port();
    std::error_code ec;
    berth::wait_until_released(port, one_look, ec);
    CHECK(ec == std::errc::timed_out);
    lease.release();
    CHECK_NOTHROW(berth::wait_until_released(port));
}

TEST_CASE("the wait ends when the child does", "[linux]")
{
    const berth::port_lease lease = berth::find_unused_port();
    child process(idle);
    const std::uint32_t id = id_of(process);
    CHECK(listening(lease, {.timeout = std::chrono::seconds(0), .child = id}) ==
          std::errc::timed_out);

    SECTION("a zombie has ended")
    {
        process.line().say("enough");
        CHECK(listening(lease, {.child = id}) == error::process_ended);
    }
    SECTION("as has one that was waited for")
    {
        process.kill();
        CHECK(listening(lease, {.child = id}) == error::process_ended);
    }
    SECTION("whoever else listens")
    {
        foreign_server other("127.0.0.1", lease.port(), reuse::address);
        REQUIRE(other.start() == "ok");
        CHECK(listening(lease, {.child = id, .process_tree = id}) == error::wrong_owner);
        process.kill();
        CHECK(listening(lease, {.child = id}) == error::process_ended);
    }
    SECTION("which is a better reason than a server of another process")
    {
        foreign_server other("127.0.0.1", lease.port(), reuse::address);
        REQUIRE(other.start() == "ok");
        process.line().say("enough");
        REQUIRE(eventually(
            [&] { return listening(lease, {.child = id}) == error::process_ended; }));
        CHECK(listening(lease, {.child = id, .process_tree = id}) ==
              error::process_ended);
    }
    SECTION("in the asynchronous form, while it waits")
    {
        asio::io_context context;
        std::optional<std::error_code> ended;
        berth::async_wait_until_listening(context.get_executor(), lease, {.child = id},
                                          [&](std::error_code ec) { ended = ec; });
        context.run_one(); // the first look
        CHECK_FALSE(ended);
        process.line().say("enough");
        context.run();
        CHECK(ended == error::process_ended);
    }
}

TEST_CASE("a server of the process tree is right, another one wrong", "[linux]")
{
    const berth::port_lease lease = berth::find_unused_port();
    const child bystander(idle);
    // The server is a grandchild: it is started by the one that is waited for.
    child parent([&](channel& line) {
        const foreign_server server("127.0.0.1", lease.port(), reuse::address);
        line.say(server.start());
        (void)line.hear();
    });
    REQUIRE(parent.line().hear() == "ok");
    CHECK_FALSE(listening(lease, {.process_tree = id_of(parent)}));
    CHECK_FALSE(listening(lease, {.process_tree = own_id()}));
    CHECK(listening(lease, {.process_tree = id_of(bystander)}) == error::wrong_owner);
    parent.line().say("enough");
    CHECK(parent.wait());
}

TEST_CASE("a wrong server on a lease is reported as a theft", "[linux]")
{
    static std::vector<berth::report> told;
    told.clear();
    const auto before =
        berth::set_report_handler([](const berth::report& one) { told.push_back(one); });
    const unsigned line = __LINE__ + 1;
    const berth::port_lease lease = berth::find_unused_port();
    foreign_server other("127.0.0.1", lease.port(), reuse::address);
    REQUIRE(other.start() == "ok");
    const child bystander(idle);
    const std::uint32_t wanted = id_of(bystander);
    CHECK(listening(lease.port(), {.process_tree = wanted}) == error::wrong_owner);
    CHECK(told.empty()); // a number is nobody's lease
    CHECK(listening(lease, {.process_tree = wanted}) == error::wrong_owner);
    berth::set_report_handler(before);
    REQUIRE(told.size() == 1);
    CHECK(told[0].what == berth::incident::theft);
    CHECK(told[0].port == lease.port());
    CHECK((told[0].where.line() == line || BERTH_HAS_SOURCE_LOCATION == 0));
}

TEST_CASE(
    "a report names no line of the lease that came after the one that was asked about",
    "[linux]")
{
    static std::vector<berth::report> told;
    told.clear();
    const auto before =
        berth::set_report_handler([](const berth::report& one) { told.push_back(one); });
    berth::port_lease lease = berth::find_unused_port();
    const std::uint16_t port = lease.port();
    const child bystander(idle);
    asio::io_context context;
    std::error_code ended;
    berth::async_wait_until_listening(context.get_executor(), lease,
                                      {.process_tree = id_of(bystander)},
                                      [&](std::error_code ec) { ended = ec; });
    lease.release();
    foreign_server other("127.0.0.1", port, reuse::address);
    REQUIRE(other.start() == "ok");
    const berth::port_lease next = berth::find_unused_port(); // in the same place
    context.run();
    berth::set_report_handler(before);
    CHECK(ended == error::wrong_owner);
    REQUIRE(told.size() == 1);
    CHECK(told[0].port == port);
    CHECK(told[0].where.line() == 0);
}

TEST_CASE("of another user's process only the state is told", "[linux]")
{
    if (!can_change_user())
        BERTH_SKIP("this process cannot become another user");
    const berth::port_lease lease = berth::find_unused_port();
    const std::uint16_t port = lease.port();
    const stranger server("127.0.0.1", reuse::address);
    REQUIRE(server.bind(port) == "ok");
    REQUIRE(server.listen() == "ok");
    const std::uint32_t id = own_id();
    BERTH_PASSES(in_process([&] {
        ::close(server.descriptor()); // the copy of this process
        become_ordinary();
        const berth::port_owner seen = berth::find_port_owner(port);
        expect(seen.state == port_state::listening, "the state is seen");
        expect_equal(seen.process, 0U, "the process");
        expect(listening(port, {.process_tree = id}) == std::errc::permission_denied,
               "a tree that cannot be looked into is no wrong owner");
    }));
}

TEST_CASE("a zombie in the tree hides no server", "[linux]")
{
    if (!can_change_user())
        BERTH_SKIP("this process cannot become another user");
    const berth::port_lease lease = berth::find_unused_port();
    const std::uint16_t port = lease.port();
    foreign_server other("127.0.0.1", port, reuse::address);
    REQUIRE(other.start() == "ok");
    BERTH_PASSES(in_process([&] {
        become_ordinary();
        child zombie([](channel&) {});
        const wait_options its_end = {.child = id_of(zombie)};
        expect(
            eventually([&] { return listening(port, its_end) == error::process_ended; }),
            "it has ended, and was not waited for");
        expect(listening(port, {.process_tree = own_id()}) == error::wrong_owner,
               "the server is another's");
    }));
}

TEST_CASE("port 0 and process 0 are nobody's", "[linux]")
{
    std::error_code ec;
    (void)berth::find_port_owner(0, ec);
    CHECK(ec == std::errc::invalid_argument);
    CHECK_THROWS_WITH(berth::find_port_owner(0),
                      ContainsSubstring("find_port_owner(port 0)"));

    const berth::port_lease lease = berth::find_unused_port();
    CHECK(listening(lease, {.child = 0U}) == std::errc::invalid_argument);
    CHECK(listening(lease, {.process_tree = 0U}) == std::errc::invalid_argument);
}

TEST_CASE("a wait leaves no descriptor behind, however it ends", "[linux]")
{
    const berth::port_lease lease = berth::find_unused_port();
    child process(idle);
    const wait_options options = {.child = id_of(process)};
    std::optional<std::error_code> ended;
    {
        asio::io_context context;
        asio::steady_timer(context.get_executor()); // Asio opens what it needs
        asio::cancellation_signal signal;
        std::size_t before = open_descriptors();
        std::size_t in_the_handler = 0;
        berth::async_wait_until_listening(
            context.get_executor(), lease, options,
            asio::bind_cancellation_slot(signal.slot(), [&](std::error_code ec) {
                in_the_handler = open_descriptors();
                ended = ec;
            }));
        context.run_one();                       // the first look
        CHECK(open_descriptors() == before + 2); // the table of sockets, and the child

        SECTION("cancelled")
        {
            signal.emit(asio::cancellation_type::terminal);
            context.run();
            CHECK(ended == asio::error::operation_aborted);
        }
        SECTION("with an error")
        {
            process.line().say("enough");
            context.run();
            CHECK(ended == error::process_ended);
        }
        SECTION("with success")
        {
            foreign_server server("127.0.0.1", lease.port(), reuse::address);
            REQUIRE(server.start() == "ok");
            before = open_descriptors() - 2;
            context.run();
            CHECK(ended == std::error_code());
        }
        CHECK(in_the_handler == before);
    }
}

TEST_CASE("nor where its context is destroyed", "[linux]")
{
    const berth::port_lease lease = berth::find_unused_port();
    const std::size_t before = open_descriptors();
    {
        asio::io_context context;
        berth::async_wait_until_listening(context.get_executor(), lease,
                                          {.child = own_id()}, [](std::error_code) {});
        context.run_one(); // the first look
        CHECK(open_descriptors() > before);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("TIME_WAIT is seen, and released all the same", "[linux]")
{
    asio::io_context context;
    std::optional<asio::ip::tcp::acceptor> server =
        berth::bind_ephemeral(context.get_executor());
    const std::uint16_t port = server->local_endpoint().port();
    {
        asio::ip::tcp::socket client(context);
        client.connect(server->local_endpoint());
        asio::ip::tcp::socket accepted = server->accept();
        accepted.close(); // the first to close keeps the memory
        char nothing = 0;
        std::error_code ec;
        (void)client.read_some(asio::buffer(&nothing, 1), ec);
        server.reset();
    }
    CHECK_NOTHROW(berth::wait_until_released(port));
    CHECK(eventually(
        [&] { return berth::find_port_owner(port).state == port_state::time_wait; }));
}

TEST_CASE("a listener on IPv6 is a listener", "[linux]")
{
    const stranger server("::1");
    if (server.bind(0) != "ok")
        BERTH_SKIP("no IPv6 on this host");
    REQUIRE(server.listen() == "ok");
    CHECK_FALSE(listening(server.port(), one_look));
}
