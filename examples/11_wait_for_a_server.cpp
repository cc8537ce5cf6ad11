// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// When is the server up? The kernel is asked, so that no stray connection reaches the server;
// the wait ends at once when the server dies at its start, and a wrong server is an error.

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

// A program in a process of its own, ended with this object.
class program {
public:
    explicit program(std::vector<std::string> words)
    {
        std::vector<char*> arguments;
        for (std::string& word : words)
            arguments.push_back(word.data());
        arguments.push_back(nullptr);
        const int error = ::posix_spawnp(&id_, arguments[0], nullptr, nullptr,
                                         arguments.data(), environ);
        if (error != 0)
            throw std::system_error(error, std::system_category(), words[0]);
    }

    program(const program&) = delete;
    program& operator=(const program&) = delete;

    ~program()
    {
        ::kill(id_, SIGTERM);
        ::waitpid(id_, nullptr, 0);
    }

    [[nodiscard]] std::uint32_t id() const { return static_cast<std::uint32_t>(id_); }

private:
    pid_t id_ = 0;
};

asio::awaitable<void> a_server_that_comes(const berth::port_lease& lease)
{
    const program server({"python3", "-m", "http.server", std::to_string(lease.port()),
                          "--bind", "127.0.0.1"});
    co_await berth::co_wait_until_listening(
        lease, {.timeout = 20s, .child = server.id(), .process_tree = server.id()});

    const berth::port_owner who = berth::find_port_owner(lease.port());
    std::cout << "port " << lease.port() << ": process " << who.process << ", "
              << who.name << '\n';
}

asio::awaitable<bool> a_server_that_dies(const berth::port_lease& lease)
{
    const program server({"false"});
    try {
        co_await berth::co_wait_until_listening(lease, {.child = server.id()});
    } catch (const std::system_error& e) {
        std::cout << e.what() << '\n';
        co_return e.code() == berth::error::process_ended;
    }
    co_return false;
}

asio::awaitable<bool> run()
{
    const berth::port_lease lease = co_await berth::co_find_unused_port();
    co_await a_server_that_comes(lease);
    co_await berth::co_wait_until_released(lease); // its process has ended
    co_return co_await a_server_that_dies(lease);
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
