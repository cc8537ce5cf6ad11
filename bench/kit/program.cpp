// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "program.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>

namespace bench {

namespace {

constexpr unsigned longest_seconds = 600;

std::string in_cell(const nlohmann::json& row, const column& its)
{
    const auto found = row.find(its.key);
    if (found == row.end())
        return "-";
    if (found->is_string())
        return found->get<std::string>();
    return fmt::format("{:.{}f}", found->get<double>(), its.decimals);
}

bool is_text(const nlohmann::json& row, const column& its)
{
    const auto found = row.find(its.key);
    return found != row.end() && found->is_string();
}

} // namespace

void results::table(const std::string& title, std::vector<column> columns)
{
    columns_ = std::move(columns);
    all_["tables"].push_back({{"title", title}, {"rows", nlohmann::json::array()}});
    fmt::print("\n{}\n", title);
    for (const column& its : columns_)
        fmt::print("{:>{}} ", its.heading, its.width);
    fmt::print("\n");
    std::fflush(stdout);
}

void results::add(const nlohmann::json& row)
{
    all_["tables"].back()["rows"].push_back(row);
    for (const column& its : columns_)
        if (is_text(row, its))
            fmt::print("{:<{}} ", in_cell(row, its), its.width);
        else
            fmt::print("{:>{}} ", in_cell(row, its), its.width);
    fmt::print("\n");
    std::fflush(stdout);
}

void results::skip(const std::string& reason)
{
    auto& skipped = all_["skipped"];
    if (std::find(skipped.begin(), skipped.end(), reason) != skipped.end())
        return;
    skipped.push_back(reason);
    fmt::print("skipped: {}\n", reason);
}

int run_program(int argc, char** argv, const std::string& about,
                const std::function<int(extent, results&)>& body)
{
    CLI::App app(about);
    bool quick = false;
    bool smoke = false;
    std::string file;
    app.add_flag("--quick", quick, "Measure less, in about two minutes");
    app.add_flag("--smoke", smoke, "Do each thing once, to see that it works");
    app.add_option("--json", file, "Write the results to this file as well");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }

    std::signal(SIGPIPE, SIG_IGN); // a helper may be gone; there is an error for that
    ::alarm(longest_seconds);
    try {
        results out;
        const int status =
            body(smoke ? extent::smoke : (quick ? extent::quick : extent::full), out);
        if (!file.empty())
            std::ofstream(file) << out.all().dump(1) << '\n';
        return status;
    } catch (const std::exception& e) {
        fmt::print(stderr, "{}: {}\n", argv[0], e.what());
        return 1;
    }
}

} // namespace bench
