// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "agent.hpp"
#include "any_options.hpp"
#include "checks.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <system_error>

// Children: they have nothing of their parent's leases, and the parent keeps them all.

namespace berth::soak {

using namespace std::chrono_literals;
using asio::awaitable;

void agent::in_the_child()
{
    std::error_code ec;
    for (held_lease& one : leases_) {
        expect(one.thing.valid(), "a lease in a child stays valid");
        one.thing.open(ec);
        expect(ec == error::lease_empty, "open() in a child: " + ec.message());
        one.thing.seal(ec);
        expect(ec == error::lease_empty, "seal() in a child: " + ec.message());
        one.thing = port_lease(); // the record is the parent's
    }
    expect(process_counters().granted == 0, "the counters of a child begin at zero");

    find_options options = any_find_options(chance_);
    options.wait = {};
    options.browser_safe = false;
    const std::uint64_t asked = shared->now();
    port_lease own = find_unused_port(options, ec);
    check_request(ec, options, false, "in a child: " + describe(options));
    if (!ec) {
        record noted = note(own, options, asked);
        const held_lease both(std::move(own), std::move(noted), 0);
    }
}

awaitable<void> agent::fork_child()
{
    const pid_t parent = ::getpid();
    const bool watched = !leases_.empty() && once_in(chance_, 2);
    const pid_t child = ::fork();
    if (child < 0)
        throw std::system_error(errno, std::system_category(), "fork");
    if (child == 0) {
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (::getppid() == parent)
            in_the_child();
        ::_exit(0);
    }
    if (watched) {
        // Ends with the child, unless a foreign server comes.
        std::error_code ec;
        wait_until_listening(leases_.front().thing,
                             {.timeout = 10s, .child = std::uint32_t(child)}, ec);
        check_error(ec, ec == error::process_ended, "wait_until_listening() for a child");
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0,
           "a forked child ends well: status " + std::to_string(status));
    for (const held_lease& one : leases_)
        check_still_held(one);
    co_return;
}

} // namespace berth::soak
