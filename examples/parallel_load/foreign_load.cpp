// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "foreign_load.hpp"

#include "original.hpp"

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <cctype>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace load {

namespace {

using asio::ip::tcp;

// What must be there before the server is not.
struct cannot_prepare : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A server that has ended tells in its log why.
struct ending {
    bool in_use = false;
    std::string last_line;
};

ending read_log(const instance& its)
{
    ending found;
    std::ifstream log(its.file("log"));
    for (std::string line; std::getline(log, line);) {
        if (line.empty())
            continue;
        found.last_line = line;
        for (char& c : line)
            c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        found.in_use = found.in_use ||
                       line.find("address already in use") != std::string::npos ||
                       line.find("eaddrinuse") != std::string::npos;
    }
    return found;
}

asio::awaitable<void> ask_once(const program& which, tcp::socket& socket,
                               const instance& its, bool& right)
{
    right = co_await which.answers(socket, its);
}

} // namespace

foreign_load::foreign_load(const worker_strand& strand, const settings& its,
                           progress report)
    : strand_(strand), its_(its), report_(std::move(report)),
      secrets_(its.seed, its.number), all_ended_(strand)
{}

asio::awaitable<void> foreign_load::round()
{
    ++rounds_;
    for (const program& which : known_programs()) {
        if (!tally_.programs[which.name].not_run.empty())
            continue;
        ++running_;
        asio::co_spawn(
            strand_,
            try_one(which, fmt::format("{}/{}.{}", its_.directory, rounds_, running_)),
            [this](std::exception_ptr failure) {
                if (failure)
                    std::rethrow_exception(failure); // out of run()
                if (--running_ == 0)
                    all_ended_.cancel();
            });
    }
    if (running_ == 0)
        co_return;
    std::error_code cancelled;
    all_ended_.expires_at(asio::steady_timer::time_point::max());
    co_await all_ended_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

asio::awaitable<void> foreign_load::try_one(const program& which, std::string directory)
{
    counts& count = tally_.programs[which.name];
    instance its;
    its.directory = std::move(directory);
    its.token = secrets_.next();
    try {
        co_await prepare(which, its);
        count.add(co_await start_and_ask(which, its));
    } catch (const cannot_start& e) {
        const bool missing = e.code() == std::errc::no_such_file_or_directory;
        count.not_run = missing ? "not on the PATH" : e.what();
    } catch (const cannot_prepare& e) {
        count.not_run = e.what();
    } catch (const std::exception& e) {
        count.add(fate::failed);
        tally_.complain(fmt::format("{}: {}", which.name, e.what()));
    }
    report_(1);
}

asio::awaitable<void> foreign_load::prepare(const program& which, const instance& its)
{
    try {
        std::filesystem::create_directory(its.directory);
        co_await which.prepare(its);
    } catch (const cannot_start&) {
        throw;
    } catch (const std::exception& e) {
        throw cannot_prepare(e.what());
    }
}

asio::awaitable<fate> foreign_load::start_and_ask(const program& which, instance& its)
{
    const descriptor nothing = open_file("/dev/null", O_RDONLY);
    const descriptor log = open_file(its.file("log"), O_WRONLY | O_CREAT | O_APPEND);

    berth::port_lease lease;
    berth::find_options options;
    options.backend = its_.backend;
    const stopwatch watch;
    if (its_.with == method::berth) {
        lease = co_await berth::co_find_unused_port(options);
        its.port = lease.port();
    } else {
        its.port = find_unused_port_originally();
    }
    tally_.finds.push_back(watch.nanoseconds());

    child server(which.command(its), {nothing.get(), log.get(), log.get()});
    its.pid = server.pid();
    const fate what = co_await ask_until_answered(which, its, server);
    co_await server.stop();
    co_return what;
}

asio::awaitable<fate> foreign_load::ask_until_answered(const program& which,
                                                       const instance& its, child& server)
{
    using namespace asio::experimental::awaitable_operators;
    const stopwatch watch;
    asio::steady_timer retry(strand_);
    while (std::chrono::nanoseconds(watch.nanoseconds()) < patience) {
        std::error_code refused;
        tcp::socket socket(strand_);
        co_await socket.async_connect(loopback(its.port),
                                      asio::redirect_error(asio::use_awaitable, refused));
        if (!refused) {
            // Perhaps it is somebody else who let us in, and ours is about to learn that
            // it came too late: then there is no answer to wait for.
            bool right = false;
            const auto first = co_await (
                failure_of(within(patience, ask_once(which, socket, its, right))) ||
                server.ends_within(2 * patience));
            if (first.index() == 0 && !std::get<0>(first))
                co_return right ? fate::answered : fate::wrong;
            const bool ended = co_await server.ends_within(patience);
            if (ended && read_log(its).in_use)
                co_return fate::stolen;
            if (first.index() == 0)
                std::rethrow_exception(std::get<0>(first));
        }
        if (!server.running()) {
            const ending found = read_log(its);
            if (found.in_use)
                co_return fate::stolen;
            throw std::runtime_error(server.describe() + ": " + found.last_line);
        }
        retry.expires_after(std::chrono::milliseconds(10));
        co_await retry.async_wait(asio::use_awaitable);
    }
    throw std::runtime_error("did not listen in time");
}

} // namespace load
