// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backend.hpp"
#include "catch.hpp"

#include <berth/detail/operation.hpp>
#include <berth/error.hpp>

#include <asio/error.hpp>
#include <asio/io_context.hpp>

#include <deque>
#include <memory>

using berth::error;
using berth::detail::max_batch;
using berth::detail::operation;
using berth::detail::request;

namespace {

/// An operation without a handler. Its request is refused before a socket is opened.
class bare final : public operation {
public:
    explicit bare(asio::io_context& context)
        : operation(request(berth::find_options{.preferred = 0}))
    {
        join(context);
    }

    [[nodiscard]] bool answered() const { return asked.ec == error::invalid_preferred; }
    [[nodiscard]] bool aborted() const
    {
        return asked.ec == asio::error::operation_aborted;
    }
};

} // namespace

TEST_CASE("one turn answers all that wait, in one batch", "[unit]")
{
    asio::io_context context;
    std::deque<bare> all;
    for (int i = 0; i < 10; ++i)
        all.emplace_back(context);
    all.front().turn();
    for (bare& one : all)
        CHECK(one.answered());
    for (bare& one : all)
        one.turn(); // finds its answer
}

TEST_CASE("a batch takes no more than a back end does", "[unit]")
{
    asio::io_context context;
    std::deque<bare> all;
    for (std::size_t i = 0; i <= max_batch; ++i)
        all.emplace_back(context);
    all.front().turn();
    CHECK(all[max_batch - 1].answered());
    CHECK(!all[max_batch].answered());
    all[max_batch].turn();
    CHECK(all[max_batch].answered());
}

TEST_CASE("a turn that is not the first takes its operation and those of the others",
          "[unit]")
{
    asio::io_context context;
    bare first(context);
    bare second(context);
    second.turn();
    CHECK(second.answered());
    CHECK(first.answered());
}

TEST_CASE("a cancelled operation is aborted at its turn, and left alone by others",
          "[unit]")
{
    asio::io_context context;
    bare one(context);
    bare other(context);
    one.cancel();
    other.turn();
    CHECK(!one.asked.ec);
    one.turn();
    CHECK(one.aborted());
}

TEST_CASE("an operation that ends before its turn leaves the queue", "[unit]")
{
    asio::io_context context;
    bare first(context);
    {
        const bare in_between(context);
        const bare last(context);
    }
    bare second(context);
    first.turn();
    CHECK(first.answered());
    CHECK(second.answered());
}

TEST_CASE("when the context has gone its operations are aborted at their turn", "[unit]")
{
    auto context = std::make_unique<asio::io_context>();
    bare one(*context);
    context.reset();
    one.turn();
    CHECK(one.aborted());
}

TEST_CASE("contexts do not answer for one another", "[unit]")
{
    asio::io_context context;
    asio::io_context another;
    bare one(context);
    bare other(another);
    one.turn();
    CHECK(!other.asked.ec);
    other.turn();
    CHECK(other.answered());
}
