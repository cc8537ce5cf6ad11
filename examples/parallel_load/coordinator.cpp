// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "coordinator.hpp"

#include "crew.hpp"
#include "report.hpp"

#include <berth/berth.hpp>

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <fmt/format.h>

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace load {

namespace {

class temporary_directory {
public:
    temporary_directory()
        : path_(
              (std::filesystem::temp_directory_path() / "parallel_load.XXXXXX").string())
    {
        if (::mkdtemp(path_.data()) == nullptr)
            throw std::system_error(errno, std::system_category(), path_);
    }

    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;

    ~temporary_directory()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

// Which back end it will be, and why not io_uring. Throws std::system_error where there
// is none.
void note_backend(summary& to)
{
    berth::find_options options;
    options.backend = to.its.backend;
    (void)berth::find_unused_port(options);

    std::string which(berth::to_string(options.backend));
    const char* const environment = std::getenv("BERTH_BACKEND");
    if (options.backend == berth::backend::automatic && environment != nullptr)
        which = environment;
    for (const berth::backend_status& one : berth::available_backends()) {
        if (one.available && (which.empty() || which == "automatic"))
            which = berth::to_string(one.which);
        if (!one.available && one.which == berth::backend::io_uring)
            to.notes.push_back("io_uring is not available: " + one.reason);
    }
    to.backend = which;
}

// Each of a worker's servers has its acceptor, its client and the connection; half of
// them a lease besides.
void make_room_for_descriptors(summary& to)
{
    constexpr rlim_t a_pair = 7;
    constexpr rlim_t others = 64;
    settings& its = to.its;
    const auto needed = [&its, others] {
        return a_pair * ((its.servers - 1) / its.workers + 1) + others;
    };

    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed())
        return;
    // The workers inherit it.
    limit.rlim_cur = std::min(needed(), limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed())
        return;
    const rlim_t fit = limit.rlim_cur > others ? (limit.rlim_cur - others) / a_pair : 1;
    its.servers = static_cast<unsigned>(std::max<rlim_t>(fit, 1)) * its.workers;
    to.notes.push_back(
        fmt::format("only {} servers of each kind at once: a process may have "
                    "no more than {} descriptors (ulimit -Hn)",
                    its.servers, limit.rlim_max));
}

asio::awaitable<int> run_passes(summary& all)
{
    using namespace asio::experimental::awaitable_operators;
    const auto executor = co_await asio::this_coro::executor;
    asio::signal_set signals(executor, SIGINT, SIGTERM, SIGHUP);

    const temporary_directory files;
    settings its = all.its;
    its.directory = files.path();
    progress_bar bar(expected_allocations(its), ::isatty(STDERR_FILENO) != 0);

    std::vector<method> methods = {method::berth};
    if (!its.only_berth)
        methods.push_back(method::original);
    for (const method with : methods) {
        bar.label(to_string(with));
        crew workers(executor, its, with, bar);
        const auto first =
            co_await (workers.run() || signals.async_wait(asio::use_awaitable));
        const bool interrupted = first.index() == 1;
        const std::string failure = workers.failure();
        co_await workers.dismiss();
        if (interrupted)
            co_return 128 + std::get<1>(first);
        if (!failure.empty())
            throw std::runtime_error(failure);
        all.passes.push_back({with, workers.results()});
    }
    co_return 0;
}

} // namespace

int coordinate(settings its)
{
    summary all;
    all.its = its;
    try {
        note_backend(all);
    } catch (const std::system_error& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 2;
    }
    make_room_for_descriptors(all);
    if (!its.json)
        print_heading(all);

    asio::io_context context(1);
    auto ended = asio::co_spawn(context, run_passes(all), asio::use_future);
    context.run();
    if (const int status = ended.get(); status != 0)
        return status;

    if (its.json)
        print_json(all);
    else
        print_table(all);
    if (std::fflush(stdout) != 0)
        throw std::system_error(errno, std::system_category(), "standard output");
    return all.nothing_lost() ? 0 : 1;
}

} // namespace load
