// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "worker.hpp"

#include "echo_load.hpp"
#include "foreign_load.hpp"

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <fmt/core.h>

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <future>
#include <memory>
#include <vector>

namespace load {

namespace {

void emit(const nlohmann::json& event)
{
    // What others wrote into their logs need not be UTF-8.
    fmt::print("{}\n",
               event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    std::fflush(stdout);
}

std::unique_ptr<worker_load> make_load(const settings& its, const worker_strand& strand)
{
    const auto progress = [](std::uint64_t allocations) {
        emit({{"event", "progress"}, {"allocations", allocations}});
    };
    if (its.part == role::foreign)
        return std::make_unique<foreign_load>(strand, its, progress);
    return std::make_unique<echo_load>(strand, its, progress);
}

void round_ended(std::exception_ptr failure)
{
    if (failure)
        std::rethrow_exception(failure); // out of run()
    emit({{"event", "round"}});
}

// Reads on while a round runs, so as to notice when the coordinator has gone.
asio::awaitable<void> obey(worker_load& load, asio::io_context& context)
{
    const auto executor = co_await asio::this_coro::executor;
    asio::posix::stream_descriptor commands(executor, ::dup(STDIN_FILENO));
    std::string input;
    for (;;) {
        std::error_code ec;
        const std::size_t size = co_await asio::async_read_until(
            commands, asio::dynamic_buffer(input), '\n',
            asio::redirect_error(asio::use_awaitable, ec));
        if (ec)
            break;
        const std::string command = input.substr(0, size - 1);
        input.erase(0, size);
        if (command == "report") {
            emit({{"event", "report"}, {"tally", load.results()}});
            break;
        }
        asio::co_spawn(executor, load.round(), round_ended);
    }
    context.stop();
}

void run(asio::io_context& context, unsigned threads)
{
    const auto run_one = [&context] {
        try {
            context.run();
        } catch (...) {
            context.stop();
            throw;
        }
    };
    std::vector<std::future<void>> all;
    while (all.size() + 1 < threads)
        all.push_back(std::async(std::launch::async, run_one));
    run_one();
    for (auto& one : all)
        one.get();
}

} // namespace

int work(const settings& its)
{
    asio::io_context context(static_cast<int>(its.threads));
    asio::signal_set signals(context, SIGINT, SIGTERM, SIGHUP);
    signals.async_wait([&context](std::error_code, int) { context.stop(); });

    const auto strand = asio::make_strand(context);
    const auto load = make_load(its, strand);
    asio::co_spawn(strand, obey(*load, context), [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    });
    run(context, its.threads);
    return 0;
}

} // namespace load
