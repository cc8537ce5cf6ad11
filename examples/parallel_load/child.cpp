// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "child.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <utility>

namespace load {

namespace {

// Asio's sockets are not close-on-exec. A program that inherited a listening one would
// hold its port for us.
void keep_descriptors_to_ourselves()
{
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const std::string name = entry.path().filename();
        int fd = -1;
        std::from_chars(name.data(), name.data() + name.size(), fd);
        if (fd > STDERR_FILENO)
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

void check(int error, const std::string& what)
{
    if (error != 0)
        throw std::system_error(error, std::system_category(), what);
}

struct spawn_actions {
    posix_spawn_file_actions_t value;

    spawn_actions() { check(::posix_spawn_file_actions_init(&value), "posix_spawn"); }
    spawn_actions(const spawn_actions&) = delete;
    spawn_actions& operator=(const spawn_actions&) = delete;
    ~spawn_actions() { ::posix_spawn_file_actions_destroy(&value); }
};

struct spawn_attributes {
    posix_spawnattr_t value;

    spawn_attributes() { check(::posix_spawnattr_init(&value), "posix_spawn"); }
    spawn_attributes(const spawn_attributes&) = delete;
    spawn_attributes& operator=(const spawn_attributes&) = delete;
    ~spawn_attributes() { ::posix_spawnattr_destroy(&value); }
};

} // namespace

descriptor::~descriptor()
{
    if (fd_ != -1)
        ::close(fd_);
}

int descriptor::release()
{
    return std::exchange(fd_, -1);
}

descriptor open_file(const std::string& path, int flags)
{
    descriptor opened(::open(path.c_str(), flags | O_CLOEXEC, 0600));
    check(opened.get() == -1 ? errno : 0, path);
    return opened;
}

child::child(const std::vector<std::string>& command, const streams& its,
             bool leads_group)
    : leads_group_(leads_group)
{
    std::vector<std::string> words = command;
    std::vector<char*> arguments;
    for (std::string& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);

    spawn_actions actions;
    int to = STDIN_FILENO;
    for (const int from : {its.in, its.out, its.err})
        check(::posix_spawn_file_actions_adddup2(&actions.value, from, to++),
              "posix_spawn");

    // This program ignores SIGPIPE, which others need not be prepared for.
    spawn_attributes attributes;
    sigset_t as_usual;
    ::sigemptyset(&as_usual);
    ::sigaddset(&as_usual, SIGPIPE);
    check(::posix_spawnattr_setsigdefault(&attributes.value, &as_usual), "posix_spawn");
    const int flags = POSIX_SPAWN_SETSIGDEF | (leads_group ? POSIX_SPAWN_SETPGROUP : 0);
    check(::posix_spawnattr_setflags(&attributes.value, static_cast<short>(flags)),
          "posix_spawn");

    keep_descriptors_to_ourselves();
    const int error = ::posix_spawnp(&pid_, arguments.front(), &actions.value,
                                     &attributes.value, arguments.data(), environ);
    if (error != 0)
        throw cannot_start(error, std::system_category(), command.front());
}

child::~child()
{
    kill();
    while (!status_ && ::waitpid(pid_, nullptr, 0) == -1 && errno == EINTR) {
    }
}

void child::kill()
{
    if (running())
        ::kill(leads_group_ ? -pid_ : pid_, SIGKILL);
}

bool child::running()
{
    siginfo_t ended = {};
    if (status_ || ::waitid(P_PID, static_cast<id_t>(pid_), &ended,
                            WEXITED | WNOHANG | WNOWAIT) != 0)
        return !status_;
    if (ended.si_pid != pid_)
        return true;
    // The number of the group cannot be anybody else's before its leader is waited for.
    if (leads_group_)
        ::kill(-pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    status_ = status;
    return false;
}

bool child::succeeded()
{
    return !running() && WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0;
}

std::string child::describe()
{
    if (running())
        return "is running";
    if (WIFSIGNALED(*status_))
        return "was killed by signal " + std::to_string(WTERMSIG(*status_));
    return "exited with " + std::to_string(WEXITSTATUS(*status_));
}

asio::awaitable<bool> child::ends_within(std::chrono::milliseconds limit)
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (running()) {
        if (std::chrono::steady_clock::now() > deadline)
            co_return false;
        timer.expires_after(std::chrono::milliseconds(5));
        co_await timer.async_wait(asio::use_awaitable);
    }
    co_return true;
}

asio::awaitable<void> child::stop()
{
    constexpr std::chrono::milliseconds limit(5000);
    if (running())
        ::kill(pid_, SIGTERM);
    const bool ended = co_await ends_within(limit);
    if (!ended)
        kill(); // the destructor waits for it
}

} // namespace load
