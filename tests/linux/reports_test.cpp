// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"
#include "catch.hpp"
#include "child.hpp"
#include "process.hpp"

#include <berth/berth.hpp>

#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <optional>

// What a process says at its end of the leases that it still has.

using berth::backend;
using berth::port_lease;
using berth::port_range;
using berth::report;
using namespace berth::testing;

namespace {

constexpr port_range narrow = {44000, 44031};

/// To whom the handler tells.
const channel* listener = nullptr;

void tell(const report& one)
{
    listener->say((one.what == berth::incident::leak ? "leak " : "theft ") +
                  std::to_string(one.port) + " line " + std::to_string(one.where.line()));
}

// Not in a macro's argument, where one line is as good as another.
constexpr unsigned line_of_lease = __LINE__ + 3;
port_lease find_here(backend which)
{
    return berth::find_unused_port({.backend = which});
}

/// What a process tells that runs this function and then calls std::exit().
class ending {
public:
    explicit ending(const std::function<void(const channel&)>& body)
        : process_([&](channel& line) {
              end_with_parent();
              listener = &line;
              // Nothing of the test framework's may run here: the reports come before this.
              std::atexit([] { ::_exit(0); });
              berth::set_report_handler(&tell);
              body(line);
              std::exit(0); // NOLINT(concurrency-mt-unsafe)
          })
    {}

    [[nodiscard]] std::string hear() const { return process_.line().hear(); }

    /// Says no more, and has ended well.
    void expect_end()
    {
        expect_equal(hear(), "", "the last line");
        expect(process_.wait(), "the process ends well");
    }

private:
    child process_;
};

} // namespace

TEST_CASE("a lease that is alive at exit is reported with the line that asked for it",
          "[linux][reports]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        ending process([&](const channel& parent) {
            need(which);
            const port_lease lease = find_here(which);
            parent.say(std::to_string(lease.port()));
            std::exit(0); // NOLINT(concurrency-mt-unsafe): with `lease` alive
        });
        const std::string port = process.hear();
        expect_equal(process.hear(),
                     "leak " + port + " line " + std::to_string(line_of_lease),
                     "the report");
        process.expect_end();
    }));
}

TEST_CASE("nothing is reported of leases that have ended, in whichever way",
          "[linux][reports]")
{
    BERTH_EACH_BACKEND(which);
    BERTH_PASSES(in_network(narrow, [&] {
        ending process([&](const channel&) {
            need(which);
            {
                const port_lease dropped = berth::find_unused_port({.backend = which});
            }
            berth::find_unused_port({.backend = which}).release();
            port_lease assigned = berth::find_unused_port({.backend = which});
            assigned = berth::find_unused_port({.backend = which});
            port_lease moved = std::move(assigned);
            moved = port_lease();

            asio::io_context context;
            const auto acceptor = berth::find_unused_port({.backend = which})
                                      .listen(context.get_executor());
            for (int i = 0; i < 5; ++i)
                berth::async_find_unused_port(context.get_executor(), {.backend = which},
                                              [](std::error_code, const port_lease&) {});
            context.run();
            std::exit(0); // NOLINT(concurrency-mt-unsafe)
        });
        process.expect_end();
    }));
}

TEST_CASE("what nobody was told of in time is not reported", "[linux][reports]")
{
    BERTH_EACH_BACKEND(which);
    const bool handler_goes = GENERATE(false, true);
    BERTH_PASSES(in_network(narrow, [&] {
        ending process([&](const channel&) {
            need(which);
            if (!handler_goes)
                berth::set_report_handler(nullptr);
            const port_lease lease = berth::find_unused_port({.backend = which});
            berth::set_report_handler(handler_goes ? nullptr : &tell);
            std::exit(0); // NOLINT(concurrency-mt-unsafe)
        });
        process.expect_end();
    }));
}

TEST_CASE("the child of a fork reports its own leases, and none of its parent's",
          "[linux][reports]")
{
    BERTH_EACH_BACKEND(which);
    const bool child_drops = GENERATE(false, true);
    BERTH_PASSES(in_network(narrow, [&] {
        ending process([&](const channel& parent) {
            need(which);
            std::optional<port_lease> lease = berth::find_unused_port({.backend = which});
            child forked([&](channel& line) {
                listener = &line;
                if (child_drops)
                    lease.reset();
                const port_lease own = berth::find_unused_port({.backend = which});
                line.say(std::to_string(own.port()));
                std::exit(0); // NOLINT(concurrency-mt-unsafe)
            });
            const std::string own = forked.line().hear();
            expect(forked.line().hear().starts_with("leak " + own), "the child's report");
            expect_equal(forked.line().hear(), "", "the child's last line");
            expect(forked.wait(), "the child ends well");
            parent.say(std::to_string(lease->port()));
            std::exit(0); // NOLINT(concurrency-mt-unsafe)
        });
        const std::string port = process.hear();
        expect(process.hear().starts_with("leak " + port), "the parent's report");
        process.expect_end();
    }));
}
