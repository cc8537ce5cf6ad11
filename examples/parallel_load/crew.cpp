// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "crew.hpp"

#include "talk.hpp"

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

namespace load {

namespace {

// A worker is never silent for so long: whatever it waits for has a limit of its own.
constexpr std::chrono::minutes longest_silence(3);

struct pipe_ends {
    descriptor read;
    descriptor write;
};

asio::awaitable<void> read_line(asio::posix::stream_descriptor& from, std::string& input)
{
    co_await asio::async_read_until(from, asio::dynamic_buffer(input), '\n',
                                    asio::use_awaitable);
}

pipe_ends make_pipe()
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw std::system_error(errno, std::system_category(), "pipe");
    return {descriptor(ends[0]), descriptor(ends[1])};
}

} // namespace

crew::worker::worker(asio::any_io_executor executor, const settings& its)
    : number(its.number), commands(executor), answers(executor)
{
    pipe_ends to = make_pipe();
    pipe_ends from = make_pipe();
    const streams its_streams = {to.read.get(), from.write.get(), STDERR_FILENO};
    process = std::make_unique<child>(worker_command(its), its_streams, true);
    commands.assign(to.write.release());
    answers.assign(from.read.release());
}

void crew::worker::send(const std::string& command)
{
    // A few bytes into an empty pipe. Where the worker has gone attend() learns it too.
    std::error_code ignored;
    asio::write(commands, asio::buffer(command + '\n'), ignored);
}

crew::crew(asio::any_io_executor executor, const settings& its, method with,
           progress_bar& bar)
    : executor_(std::move(executor)), bar_(bar), rounds_left_(its.rounds),
      someone_left_(executor_)
{
    settings one = its;
    one.with = with;
    one.directory = its.directory + '/' + to_string(with);
    std::filesystem::create_directory(one.directory);

    // The same secrets in both passes are no harm: nobody is left of the first in the
    // second.
    one.part = role::foreign;
    workers_.push_back(std::make_unique<worker>(executor_, one));
    one.part = role::echo;
    for (one.number = 1; one.number <= its.workers; ++one.number) {
        const unsigned so_far = its.servers * (one.number - 1) / its.workers;
        one.servers = its.servers * one.number / its.workers - so_far;
        workers_.push_back(std::make_unique<worker>(executor_, one));
    }
}

asio::awaitable<void> crew::run()
{
    for (const auto& one : workers_) {
        ++attended_;
        asio::co_spawn(executor_, attend(*one),
                       [this, &one](std::exception_ptr failure) { left(*one, failure); });
    }
    in_round_ = workers_.size();
    send_to_all("round");
    co_await left_by_all(true);
}

asio::awaitable<void> crew::dismiss()
{
    for (const auto& one : workers_)
        one->commands.close(); // at which a worker ends, and its children with it
    for (const auto& one : workers_) {
        const bool ended = co_await one->process->ends_within(patience);
        if (!ended)
            one->process->kill();
        one->answers.close();
    }
    co_await left_by_all(false);
}

asio::awaitable<void> crew::attend(worker& one)
{
    std::string input;
    for (;;) {
        co_await within(longest_silence, read_line(one.answers, input));
        const std::size_t size = input.find('\n');
        const auto event = nlohmann::json::parse(input.substr(0, size));
        input.erase(0, size + 1);
        if (event.at("event") == "progress") {
            bar_.advance(event.at("allocations").get<std::uint64_t>());
        } else if (event.at("event") == "round") {
            round_ended();
        } else {
            tally_.add(event.at("tally").get<tally>());
            co_return;
        }
    }
}

void crew::round_ended()
{
    if (--in_round_ != 0)
        return;
    in_round_ = workers_.size();
    send_to_all(--rounds_left_ != 0 ? "round" : "report");
}

void crew::send_to_all(const std::string& command)
{
    for (const auto& one : workers_)
        one->send(command);
}

void crew::left(const worker& one, std::exception_ptr failure)
{
    --attended_;
    try {
        if (failure)
            std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        if (failure_.empty())
            failure_ = fmt::format("worker {} ended early: {}", one.number, e.what());
    }
    if (attended_ == 0 || failure)
        someone_left_.cancel();
}

asio::awaitable<void> crew::left_by_all(bool or_failed)
{
    while (attended_ != 0 && (failure_.empty() || !or_failed)) {
        std::error_code ignored;
        someone_left_.expires_at(asio::steady_timer::time_point::max());
        co_await someone_left_.async_wait(
            asio::redirect_error(asio::use_awaitable, ignored));
    }
}

} // namespace load
