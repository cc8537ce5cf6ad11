// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "platform.hpp"

#include <berth/berth.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/execution/blocking.hpp>
#include <asio/execution/context.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

// What an operation leaves in the cancellation slot of its handler: nothing, however it ends. A
// signal that is emitted later must find no operation, whose memory may be another's by then.

using asio::ip::udp;
using berth::port_lease;
using namespace berth::testing;

namespace {

enum class kind { lease, set, acceptor, socket, black_hole };

constexpr std::array every_kind = {kind::lease, kind::set, kind::acceptor, kind::socket,
                                   kind::black_hole};

std::string to_string(kind which)
{
    switch (which) {
    case kind::lease:
        return "async_find_unused_port";
    case kind::set:
        return "async_find_unused_ports";
    case kind::acceptor:
        return "async_bind_ephemeral";
    case kind::socket:
        return "async_bind_ephemeral<udp>";
    case kind::black_hole:
        return "async_bind_black_hole";
    }
    return "?";
}

/// Starts an operation of a kind. The handler takes an error and whatever comes with it.
template <class Executor, class Handler>
void start(kind which, berth::backend through, const Executor& ex, Handler handler)
{
    const berth::find_options find{.backend = through};
    const berth::bind_options bind{.backend = through};
    switch (which) {
    case kind::lease:
        berth::async_find_unused_port(ex, find, std::move(handler));
        break;
    case kind::set:
        berth::async_find_unused_ports(ex, 3, find, std::move(handler));
        break;
    case kind::acceptor:
        berth::async_bind_ephemeral(ex, bind, std::move(handler));
        break;
    case kind::socket:
        berth::async_bind_ephemeral<udp>(ex, bind, std::move(handler));
        break;
    case kind::black_hole:
        berth::async_bind_black_hole(ex, bind, std::move(handler));
        break;
    }
}

/// A slot of a program's own, as Asio's requirements allow, whose contents can be seen.
class own_slot {
public:
    struct contents {
        std::function<void(asio::cancellation_type)> handler;
        int assigned = 0;
    };

    explicit own_slot(contents& in) noexcept : in_(&in) {}

    [[nodiscard]] bool is_connected() const noexcept { return true; }
    [[nodiscard]] bool has_handler() const noexcept { return in_->handler != nullptr; }
    void clear() { in_->handler = nullptr; }

    template <class Handler>
    std::decay_t<Handler>& assign(Handler&& handler)
    {
        return emplace<std::decay_t<Handler>>(std::forward<Handler>(handler));
    }

    template <class Handler, class... Arguments>
    Handler& emplace(Arguments&&... arguments)
    {
        const auto made =
            std::make_shared<Handler>(std::forward<Arguments>(arguments)...);
        in_->handler = [made](asio::cancellation_type type) { (*made)(type); };
        ++in_->assigned;
        return *made;
    }

    friend bool operator==(const own_slot&, const own_slot&) = default;

private:
    contents* in_;
};

struct refused : std::runtime_error {
    refused() : std::runtime_error("this executor takes nothing") {}
};

/// An executor that throws whatever it is given.
class refusing_executor {
public:
    explicit refusing_executor(asio::io_context& context) noexcept : context_(&context) {}

    asio::io_context& query(asio::execution::context_t) const noexcept
    {
        return *context_;
    }

    static constexpr asio::execution::blocking_t::never_t
    query(asio::execution::blocking_t) noexcept
    {
        return {};
    }

    refusing_executor require(asio::execution::blocking_t::never_t) const noexcept
    {
        return *this;
    }

    template <class Function>
    void execute(const Function&) const
    {
        throw refused();
    }

    friend bool operator==(const refusing_executor&,
                           const refusing_executor&) noexcept = default;

private:
    asio::io_context* context_;
};

} // namespace

#define BERTH_EACH_KIND(name)                                                            \
    const kind name = GENERATE(from_range(every_kind));                                  \
    INFO(to_string(name));                                                               \
    if (on_windows && (name) == kind::black_hole)                                        \
    BERTH_SKIP("there are no black holes on Windows")

TEST_CASE("a context that is destroyed leaves nothing in the slots of its operations",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_KIND(what);
    const bool answered = GENERATE(false, true);
    INFO((answered ? "answered already" : "not answered yet"));
    asio::cancellation_signal signal;
    own_slot::contents own;
    bool called = false;
    const auto handler = [&](const std::error_code&, auto&&) { called = true; };
    {
        asio::io_context context;
        const auto ex = context.get_executor();
        if (answered) // by the turn of the first
            start(what, which, ex, [](const std::error_code&, auto&&) {});
        start(what, which, ex, asio::bind_cancellation_slot(signal.slot(), handler));
        start(what, which, ex, asio::bind_cancellation_slot(own_slot(own), handler));
        CHECK(signal.slot().has_handler());
        CHECK(own.assigned == 1);
        if (answered)
            context.run_one();
        REQUIRE(!called);
    }
    CHECK(!called);
    CHECK(own.handler == nullptr);
    CHECK(!signal.slot().has_handler());
    signal.emit(asio::cancellation_type::all);
    if (own.handler)
        own.handler(asio::cancellation_type::all);
    CHECK(!called);
}

TEST_CASE("a context that is destroyed leaves nothing in the slot of one that waits",
          "[os]")
{
    if (under_wine())
        BERTH_SKIP("Wine does not say that every port is taken");
    BERTH_EACH_BACKEND(which);
    const bool asleep = GENERATE(false, true);
    const port_lease taken = berth::find_unused_port({.backend = which});
    const berth::find_options options{.ports =
                                          berth::port_range{taken.port(), taken.port()},
                                      .wait = std::chrono::minutes(2),
                                      .backend = which};
    asio::cancellation_signal signal;
    bool called = false;
    {
        asio::io_context context;
        berth::async_find_unused_port(
            context.get_executor(), options,
            asio::bind_cancellation_slot(
                signal.slot(), [&](std::error_code, port_lease) { called = true; }));
        if (asleep)
            context.poll();
        CHECK(signal.slot().has_handler());
    }
    CHECK(!signal.slot().has_handler());
    signal.emit(asio::cancellation_type::all);
    CHECK(!called);
}

TEST_CASE("a slot may belong to a signal that only the handler owns", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_KIND(what);
    const bool completes = GENERATE(false, true);
    std::weak_ptr<asio::cancellation_signal> signal;
    bool called = false;
    {
        asio::io_context context;
        const auto only = std::make_shared<asio::cancellation_signal>();
        signal = only;
        start(what, which, context.get_executor(),
              asio::bind_cancellation_slot(
                  only->slot(), [&called, mine = only](const std::error_code&, auto&&) {
                      called = true;
                      CHECK(!mine->slot().has_handler());
                  }));
        if (completes)
            context.run();
    }
    CHECK(signal.expired());
    CHECK(called == completes);
}

TEST_CASE("where the handler's executor throws nothing is left in the slot", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_KIND(what);
    asio::cancellation_signal signal;
    own_slot::contents own;
    bool called = false;
    asio::io_context context;
    const auto handler =
        asio::bind_executor(refusing_executor(context),
                            [&](const std::error_code&, auto&&) { called = true; });
    start(what, which, context.get_executor(),
          asio::bind_cancellation_slot(signal.slot(), handler));
    start(what, which, context.get_executor(),
          asio::bind_cancellation_slot(own_slot(own), handler));
    CHECK_THROWS_AS(context.run(), refused);
    CHECK_THROWS_AS(context.run(), refused);
    CHECK(!signal.slot().has_handler());
    CHECK(own.handler == nullptr);
    signal.emit(asio::cancellation_type::all);
    if (own.handler)
        own.handler(asio::cancellation_type::all);
    CHECK(!called);
}

TEST_CASE("where the operation's executor throws nothing is left in the slot", "[os]")
{
    BERTH_EACH_BACKEND(which);
    const auto what = GENERATE(kind::lease, kind::set, kind::black_hole);
    asio::cancellation_signal signal;
    own_slot::contents own;
    asio::io_context context;
    const refusing_executor nowhere(context);
    const auto ask = [&](const auto& slot) {
        auto handler = asio::bind_cancellation_slot(
            slot, [](const std::error_code&, auto&&) { FAIL("a handler is called"); });
        const berth::find_options find{.backend = which};
        if (what == kind::lease)
            berth::async_find_unused_port(nowhere, find, std::move(handler));
        else if (what == kind::set)
            berth::async_find_unused_ports(nowhere, 3, find, std::move(handler));
        else
            berth::async_bind_black_hole(nowhere, {.backend = which}, std::move(handler));
    };
    CHECK_THROWS_AS(ask(signal.slot()), refused);
    CHECK_THROWS_AS(ask(own_slot(own)), refused);
    CHECK(!signal.slot().has_handler());
    CHECK(own.handler == nullptr);
    signal.emit(asio::cancellation_type::all);
    context.run();
}

TEST_CASE("a slot is empty before the handler runs, and stays so when it is emitted",
          "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_KIND(what);
    asio::cancellation_signal signal;
    own_slot::contents own;
    int calls = 0;
    asio::io_context context;
    const auto ex = context.get_executor();
    start(what, which, ex,
          asio::bind_cancellation_slot(signal.slot(),
                                       [&](const std::error_code& ec, auto&&) {
                                           ++calls;
                                           CHECK(!ec);
                                           CHECK(!signal.slot().has_handler());
                                           signal.emit(asio::cancellation_type::all);
                                       }));
    start(what, which, ex,
          asio::bind_cancellation_slot(own_slot(own),
                                       [&](const std::error_code& ec, auto&&) {
                                           ++calls;
                                           CHECK(!ec);
                                           CHECK(own.handler == nullptr);
                                       }));
    context.run();
    signal.emit(asio::cancellation_type::all);
    CHECK(calls == 2);
    CHECK(!signal.slot().has_handler());
    CHECK(own.handler == nullptr);
}

TEST_CASE("an operation that is cancelled leaves nothing in the slot", "[os]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_EACH_KIND(what);
    asio::cancellation_signal signal;
    std::error_code ec;
    asio::io_context context;
    start(what, which, context.get_executor(),
          asio::bind_cancellation_slot(
              signal.slot(), [&](const std::error_code& e, auto&&) { ec = e; }));
    signal.emit(asio::cancellation_type::total);
    context.run();
    CHECK(ec == asio::error::operation_aborted);
    CHECK(!signal.slot().has_handler());
    signal.emit(asio::cancellation_type::total);
}

TEST_CASE("a handler may use its slot again for the next operation", "[os]")
{
    BERTH_EACH_BACKEND(which);
    asio::cancellation_signal signal;
    std::error_code second;
    asio::io_context context;
    const auto ex = context.get_executor();
    berth::async_find_unused_port(
        ex, {.backend = which},
        asio::bind_cancellation_slot(signal.slot(), [&](std::error_code, port_lease) {
            berth::async_find_unused_port(
                ex, {.backend = which},
                asio::bind_cancellation_slot(
                    signal.slot(), [&](std::error_code ec, port_lease) { second = ec; }));
        }));
    context.run_one();
    CHECK(signal.slot().has_handler());
    signal.emit(asio::cancellation_type::all);
    context.run();
    CHECK(second == asio::error::operation_aborted);
    CHECK(!signal.slot().has_handler());
}

TEST_CASE("a signal that is emitted when a context is gone finds no bind of its", "[os]")
{
    // Asio's composed operations leave a record of cancellation in the slot, which refers to nothing
    // but itself.
    asio::cancellation_signal signal;
    bool called = false;
    {
        asio::io_context context;
        udp::socket socket(context, udp::v4());
        berth::async_bind_ephemeral(
            socket, asio::ip::address_v4::loopback(),
            asio::bind_cancellation_slot(
                signal.slot(), [&](std::error_code, std::uint16_t) { called = true; }));
    }
    signal.emit(asio::cancellation_type::all);
    CHECK(!called);
}
