// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// A number for a program that is not yours. The lease keeps everybody else away while the
// program starts, and as long as it runs.

#include <berth/berth.hpp>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>

using asio::ip::tcp;

// `python3 -m http.server`, ended with this object.
class http_server {
public:
    explicit http_server(std::uint16_t port)
    {
        std::string words[] = {"python3", "-m",       "http.server", std::to_string(port),
                               "--bind",  "127.0.0.1"};
        char* arguments[] = {words[0].data(), words[1].data(), words[2].data(),
                             words[3].data(), words[4].data(), words[5].data(),
                             nullptr};
        const int error =
            ::posix_spawnp(&pid_, arguments[0], nullptr, nullptr, arguments, environ);
        if (error != 0)
            throw std::system_error(error, std::system_category(), "python3");
    }

    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;

    ~http_server()
    {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }

private:
    pid_t pid_ = 0;
};

// While the port is leased and the server is not there yet, a client is refused. Nobody
// else can answer it.
asio::awaitable<tcp::socket> connect(std::uint16_t port)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
    asio::steady_timer retry(co_await asio::this_coro::executor);
    for (;;) {
        std::error_code ec;
        tcp::socket socket(retry.get_executor());
        co_await socket.async_connect(endpoint,
                                      asio::redirect_error(asio::use_awaitable, ec));
        if (!ec)
            co_return socket;
        if (std::chrono::steady_clock::now() > deadline)
            throw std::system_error(ec, "the server did not come up");
        retry.expires_after(std::chrono::milliseconds(20));
        co_await retry.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<bool> run()
{
    const berth::port_lease lease = co_await berth::co_find_unused_port();
    const http_server server(lease.port());
    tcp::socket client = co_await connect(lease.port());

    const std::string request = "GET / HTTP/1.0\r\n\r\n";
    std::string answer;
    co_await asio::async_write(client, asio::buffer(request), asio::use_awaitable);
    const std::size_t size = co_await asio::async_read_until(
        client, asio::dynamic_buffer(answer), "\r\n", asio::use_awaitable);
    std::cout << "port " << lease.port() << ": " << answer.substr(0, size);
    co_return answer.find(" 200 ") < size;
}

int main()
{
    try {
        asio::io_context context;
        auto succeeded = asio::co_spawn(context, run(), asio::use_future);
        context.run();
        return succeeded.get() ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        const auto* const failure = dynamic_cast<const std::system_error*>(&e);
        const bool missing =
            failure != nullptr && failure->code() == std::errc::no_such_file_or_directory;
        return missing ? 77 : 1; // 77: skipped
    }
}
