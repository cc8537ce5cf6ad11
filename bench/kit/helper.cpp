// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "helper.hpp"

#include "check.hpp"
#include "ways/way.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <limits>
#include <stdexcept>
#include <string>

namespace bench {

namespace {

void send(int channel, const nlohmann::json& message)
{
    const std::string text = message.dump();
    check(static_cast<int>(::send(channel, text.data(), text.size(), MSG_NOSIGNAL)),
          "send");
}

// Empty when the other side has gone.
std::string receive(int channel)
{
    constexpr std::size_t longest = 256 * 1024;
    std::string text(longest, '\0');
    const ssize_t size = ::recv(channel, text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

nlohmann::json answer(const std::function<nlohmann::json()>& body)
{
    try {
        return {{"answer", body()}};
    } catch (const not_possible_here& e) {
        return {{"not possible", e.what()}};
    } catch (const std::exception& e) {
        return {{"error", e.what()}};
    }
}

[[noreturn]] void serve(int channel, const std::function<helper::service()>& prepare)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        helper::service service;
        send(channel, answer([&] {
                 service = prepare();
                 return nlohmann::json();
             }));
        for (std::string text; !(text = receive(channel)).empty();)
            send(channel, answer([&] { return service(nlohmann::json::parse(text)); }));
        service = nullptr; // and with it helpers of its own
    } catch (const std::exception&) {
        // The other side has gone.
    }
    ::_exit(0);
}

} // namespace

helper::helper(const std::function<service()>& prepare)
{
    int ends[2];
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
    pid_ = check(::fork(), "fork");
    if (pid_ == 0) {
        ::close(ends[0]);
        serve(ends[1], prepare);
    }
    ::close(ends[1]);
    channel_ = ends[0];
    try {
        (void)hear();
    } catch (...) {
        end();
        throw;
    }
}

helper::~helper()
{
    end();
}

void helper::end() const
{
    // Siblings that were forked later hold this end as well, so that closing it says nothing.
    ::shutdown(channel_, SHUT_RDWR);
    ::close(channel_);
    ::waitpid(pid_, nullptr, 0);
}

void helper::ask(const nlohmann::json& question) const
{
    send(channel_, question);
}

nlohmann::json helper::hear() const
{
    const std::string text = receive(channel_);
    if (text.empty())
        throw std::runtime_error("a helper process died");
    const auto heard = nlohmann::json::parse(text);
    if (const auto found = heard.find("not possible"); found != heard.end())
        throw not_possible_here(found->get<std::string>());
    if (const auto found = heard.find("error"); found != heard.end())
        throw std::runtime_error(found->get<std::string>());
    return heard.at("answer");
}

helpers make_helpers(unsigned count, const std::function<helper::service()>& prepare)
{
    helpers all;
    while (all.size() < count)
        all.push_back(std::make_unique<helper>(prepare));
    return all;
}

std::vector<nlohmann::json> ask_all(const helpers& all, const nlohmann::json& question)
{
    for (const auto& one : all)
        one->ask(question);
    std::vector<nlohmann::json> answers;
    for (const auto& one : all)
        answers.push_back(one->hear());
    return answers;
}

double seconds_together(const std::vector<nlohmann::json>& answers)
{
    auto start = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t end = 0;
    for (const auto& one : answers) {
        start = std::min(start, one.at("start").get<std::uint64_t>());
        end = std::max(end, one.at("end").get<std::uint64_t>());
    }
    return static_cast<double>(end - start) * 1e-9;
}

nlohmann::json in_own_process(const std::function<nlohmann::json()>& body)
{
    const helper one([&body]() -> helper::service {
        return [&body](const nlohmann::json&) { return body(); };
    });
    one.ask({});
    return one.hear();
}

} // namespace bench
