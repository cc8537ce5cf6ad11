// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "child.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <system_error>

namespace berth::testing {

namespace {

constexpr int patience_milliseconds = 60'000;

std::array<int, 2> make_pair()
{
    std::array<int, 2> pair = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
        throw std::system_error(errno, std::system_category(), "socketpair");
    return pair;
}

} // namespace

channel::~channel()
{
    ::close(descriptor_);
}

void channel::say(const std::string& line) const
{
    const std::string whole = line + '\n';
    if (::send(descriptor_, whole.data(), whole.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(whole.size()))
        throw std::runtime_error("the other process has gone");
}

std::string channel::hear() const
{
    std::string line;
    for (;;) {
        pollfd waiting = {.fd = descriptor_, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&waiting, 1, patience_milliseconds);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            throw std::runtime_error("the other process says nothing");
        char one = 0;
        if (::recv(descriptor_, &one, 1, 0) != 1 || one == '\n')
            return line;
        line += one;
    }
}

child::child(const std::function<void(channel&)>& body) : child(body, make_pair()) {}

child::child(const std::function<void(channel&)>& body, std::array<int, 2> pair)
    : channel_(pair[0])
{
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) {
        ::close(pair[1]);
        throw std::system_error(errno, std::system_category(), "fork");
    }
    if (pid_ > 0) {
        ::close(pair[1]);
        return;
    }

    // The test framework belongs to the parent: nothing of it may run here, not even its end.
    ::close(pair[0]);
    int status = 0;
    {
        channel mine(pair[1]);
        try {
            body(mine);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "in a child: %s\n", e.what());
            status = 1;
        }
    }
    ::_exit(status);
}

child::~child()
{
    if (pid_ > 0)
        kill();
}

bool child::wait()
{
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void child::kill()
{
    ::kill(pid_, SIGKILL);
    wait();
}

std::string in_child(const std::function<std::string()>& body)
{
    child one([&](channel& to) { to.say(body()); });
    std::string said = one.line().hear();
    return one.wait() ? said : "died";
}

} // namespace berth::testing
