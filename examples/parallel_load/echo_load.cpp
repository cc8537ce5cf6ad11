// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "echo_load.hpp"

#include "original.hpp"

#include <asio/bind_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <chrono>
#include <utility>

namespace load {

namespace {

using asio::ip::tcp;

constexpr std::size_t longest_line = 1024;
constexpr std::uint64_t report_every = 50;

// Between finding a number and binding it: the time that a program takes to start. What
// is under test is whether the number is still there then.
constexpr std::chrono::milliseconds pause(20);

// Answers each line with its secret, to one client after the other, until it is
// cancelled.
asio::awaitable<void> serve(tcp::acceptor& acceptor, const std::string& secret)
{
    for (;;) {
        tcp::socket client = co_await acceptor.async_accept(asio::use_awaitable);
        std::string line;
        std::error_code ec;
        for (;;) {
            const std::size_t size = co_await asio::async_read_until(
                client, asio::dynamic_buffer(line, longest_line), '\n',
                asio::redirect_error(asio::use_awaitable, ec));
            if (ec)
                break; // the client has closed its side first
            const std::string answer = line.substr(0, size - 1) + ' ' + secret + '\n';
            line.erase(0, size);
            co_await asio::async_write(client, asio::buffer(answer),
                                       asio::redirect_error(asio::use_awaitable, ec));
        }
    }
}

// Whether the client hears the server that it wants.
asio::awaitable<void> hear(tcp::endpoint server, std::string nonce, std::string secret,
                           bool& right)
{
    tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(server, asio::use_awaitable);
    const std::string question = nonce + '\n';
    co_await asio::async_write(socket, asio::buffer(question), asio::use_awaitable);
    std::string answer;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(answer, longest_line),
                                    '\n', asio::use_awaitable);
    right = answer == nonce + ' ' + secret + '\n';
}

asio::awaitable<void> serve_until_heard(tcp::acceptor& acceptor, std::string nonce,
                                        std::string secret, bool& right)
{
    using namespace asio::experimental::awaitable_operators;
    const auto first =
        co_await (failure_of(hear(loopback(acceptor.local_endpoint().port()),
                                  std::move(nonce), secret, right)) ||
                  serve(acceptor, secret));
    if (const std::exception_ptr failure = std::get<0>(first))
        std::rethrow_exception(failure);
}

asio::awaitable<fate> meet(tcp::acceptor& acceptor, std::string nonce, std::string secret)
{
    bool right = false;
    co_await within(patience, serve_until_heard(acceptor, std::move(nonce),
                                                std::move(secret), right));
    co_return right ? fate::answered : fate::wrong;
}

// As servers do that are told a port. On Windows those that know what it means there set no
// SO_REUSEADDR: it takes a port from others.
bool listen_on(tcp::acceptor& acceptor, std::uint16_t port)
{
    std::error_code ec;
    acceptor.open(tcp::v4());
#if !defined(_WIN32)
    acceptor.set_option(tcp::acceptor::reuse_address(true));
#endif
    acceptor.bind(loopback(port), ec);
    if (!ec)
        acceptor.listen(tcp::acceptor::max_listen_connections, ec);
    if (ec && ec != asio::error::address_in_use)
        throw std::system_error(ec, "bind");
    return !ec;
}

} // namespace

echo_load::echo_load(const worker_strand& strand, const settings& its, progress report)
    : strand_(strand), its_(its), report_(std::move(report)),
      secrets_(its.seed, its.number), all_ended_(strand)
{
    tally_.workers = 1;
}

asio::awaitable<void> echo_load::round()
{
    alive_.clear();
    const stopwatch watch;
    for (unsigned i = 0; i < its_.servers; ++i) {
        start(serve_on_bound_port(watch, secrets_.next(), secrets_.next()));
        start(serve_on_number(watch, secrets_.next(), secrets_.next()));
    }

    std::error_code cancelled;
    all_ended_.expires_at(asio::steady_timer::time_point::max());
    co_await all_ended_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    tally_.seconds += static_cast<double>(watch.nanoseconds()) * 1e-9;
    report_(std::exchange(unreported_, 0));
}

void echo_load::start(asio::awaitable<outcome> server)
{
    ++running_;
    asio::co_spawn(
        asio::make_strand(strand_.get_inner_executor()), std::move(server),
        asio::bind_executor(strand_, [this](std::exception_ptr failure, outcome result) {
            if (failure)
                std::rethrow_exception(failure); // out of run()
            ended(std::move(result));
        }));
}

void echo_load::ended(outcome result)
{
    tally_.servers.add(result.what);
    if (!result.message.empty())
        tally_.complain(result.message);
    if (result.bind)
        tally_.binds.push_back(*result.bind);
    if (result.find)
        tally_.finds.push_back(*result.find);
    if (result.wait)
        tally_.waits.push_back(*result.wait);
    // It keeps its port until all have been heard.
    alive_.push_back(std::move(result));

    if (++unreported_ == report_every)
        report_(std::exchange(unreported_, 0));
    if (--running_ == 0)
        all_ended_.cancel();
}

asio::awaitable<echo_load::outcome>
echo_load::serve_on_bound_port(stopwatch since, std::string secret, std::string nonce)
{
    const auto executor = co_await asio::this_coro::executor;
    outcome result;
    try {
        tcp::acceptor& acceptor = result.acceptor.emplace(executor);
        berth::bind_options options;
        options.backend = its_.backend;

        const stopwatch watch;
        if (its_.with == method::berth)
            acceptor = co_await berth::co_bind_ephemeral(options);
        else
            acceptor = bind_originally(executor);
        result.bind = watch.nanoseconds();
        result.wait = since.nanoseconds();

        result.what = co_await meet(acceptor, std::move(nonce), std::move(secret));
    } catch (const std::exception& e) {
        result.message = e.what();
    }
    co_return result;
}

asio::awaitable<echo_load::outcome>
echo_load::serve_on_number(stopwatch since, std::string secret, std::string nonce)
{
    const auto executor = co_await asio::this_coro::executor;
    outcome result;
    try {
        const std::uint16_t port = co_await find_number(result);
        result.wait = since.nanoseconds();

        asio::steady_timer start(executor, pause);
        co_await start.async_wait(asio::use_awaitable);

        tcp::acceptor& acceptor = result.acceptor.emplace(executor);
        bool listening = true;
        if (result.lease && result.lease.mode() == berth::lease_mode::sealed)
            acceptor = std::move(result.lease).listen(executor); // as on Windows
        else
            listening = listen_on(acceptor, port);
        result.what = listening
                          ? co_await meet(acceptor, std::move(nonce), std::move(secret))
                          : fate::stolen;
    } catch (const std::exception& e) {
        result.message = e.what();
    }
    co_return result;
}

asio::awaitable<std::uint16_t> echo_load::find_number(outcome& result)
{
    berth::find_options options;
    options.backend = its_.backend;

    const stopwatch watch;
    std::uint16_t port = 0;
    if (its_.with == method::berth) {
        result.lease = co_await berth::co_find_unused_port(options);
        port = result.lease.port();
    } else {
        port = find_unused_port_originally();
    }
    result.find = watch.nanoseconds();
    co_return port;
}

} // namespace load
