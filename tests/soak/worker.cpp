// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "worker.hpp"

#include "agent.hpp"
#include "any_options.hpp"
#include "checks.hpp"
#include "held_things.hpp"

#include <berth/berth.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace berth::soak {

namespace {

using namespace std::chrono_literals;
using asio::awaitable;
using clock = std::chrono::steady_clock;

// Owns the agent, so that it ends while the context of its sockets is there.
awaitable<void> run_agent(std::unique_ptr<agent> one)
{
    co_await one->run();
}

void report_failure(std::exception_ptr failure)
{
    try {
        if (failure)
            std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        shared->fail(std::string("an agent ended: ") + e.what());
    }
}

// Runs agents on a context of some kind, until they end or the context is stopped under them.
void run_context(generator& chance, survivors& others)
{
    const unsigned agents = 1 + pick(chance, 4);
    const unsigned kind = pick(chance, 3);
    const bool to_stop = once_in(chance, 2);
    const auto end = clock::now() + std::chrono::milliseconds(50 + pick(chance, 1500));
    const auto agents_end = to_stop ? end + 1h : end;

    const auto spawn = [&](auto& context) {
        for (unsigned i = 0; i < agents; ++i) {
            asio::any_io_executor ex = context.get_executor();
            if (kind != 0)
                ex = asio::make_strand(context);
            auto one =
                std::make_unique<agent>(ex, generator(chance()), i, others, agents_end);
            asio::co_spawn(ex, run_agent(std::move(one)), report_failure);
        }
    };
    // The soak's end comes from outside: the time is looked at again and again.
    const auto wait_for_end = [&](auto& context) {
        const auto timer = std::make_shared<asio::steady_timer>(context);
        const auto look = [&context, timer, end](auto self) -> void {
            timer->expires_after(5ms);
            timer->async_wait([&context, timer, end, self](std::error_code) {
                if (shared->over || clock::now() > end)
                    context.stop();
                else
                    self(self);
            });
        };
        look(look);
    };

    if (kind == 2) {
        asio::thread_pool pool(3);
        spawn(pool);
        if (to_stop)
            wait_for_end(pool);
        pool.join();
    } else {
        asio::io_context context(kind == 0 ? 1 : 3);
        spawn(context);
        if (to_stop)
            wait_for_end(context);
        std::vector<std::thread> threads;
        for (unsigned i = 0; kind == 1 && i < 2; ++i)
            threads.emplace_back([&] { context.run(); });
        context.run();
        for (std::thread& one : threads)
            one.join();
    }
    shared->count(counter::contexts);
    if (to_stop)
        shared->count(counter::contexts_stopped);
}

// Returns the descriptors of this process, each with what it is.
std::map<std::string, std::string> descriptors()
{
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone; // the one that lists the directory
        const std::string link =
            std::filesystem::read_symlink(entry.path(), gone).string();
        // berth keeps its rings as long as the process lives.
        if (!gone && link.find("/fd") == std::string::npos &&
            link.find("[io_uring]") == std::string::npos)
            all[entry.path().filename().string()] = link;
    }
    return all;
}

std::atomic<std::uint16_t> leak_meant = 0;

void hear(const report& told)
{
    if (told.what == incident::theft) {
        shared->count(counter::thefts);
        return;
    }
    if (told.port == leak_meant)
        shared->count(counter::leaks);
    else
        shared->fail("a lease of port " + std::to_string(told.port) + " was leaked");
}

port_lease find_or_nothing()
{
    std::error_code ec;
    return find_unused_port({}, ec);
}

} // namespace

void be_worker(generator chance)
{
    set_report_handler(hear);
    find_working_backends();
    const auto before = descriptors();
    const auto end = clock::now() + std::chrono::milliseconds(500 + pick(chance, 6000));
    survivors others;
    while (!shared->over && clock::now() < end) {
        ++shared->processes[my_slot].progress;
        run_context(chance, others);
        if (once_in(chance, 2))
            others.clear();
    }
    others.clear();

    for (const auto& [number, link] : descriptors())
        if (!before.contains(number))
            shared->fail("descriptor " + number + " is left: " + link);
    if (const std::string left = shared->leftovers(); !left.empty())
        shared->fail("left in the ledger:" + left);
    const counters done = process_counters();
    expect(done.granted >= granted_here, "every port found is counted");
    expect(done.tried >= done.refused, "what was refused was tried");
    shared->count(counter::refused, done.refused);

    if (once_in(chance, 4)) {
        // The report handler is to hear of it when the process ends.
        static const auto* const forgotten = new port_lease(find_or_nothing());
        if (forgotten->valid()) {
            leak_meant = forgotten->port();
            shared->count(counter::leaks_meant);
        }
    }
    shared->count(counter::processes);
}

} // namespace berth::soak
