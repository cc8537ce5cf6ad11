// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "processes.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <system_error>

namespace berth::detail {

namespace {

namespace fs = std::filesystem;

fs::path directory_of(std::uint32_t process)
{
    return "/proc/" + std::to_string(process);
}

std::vector<std::uint32_t> all_processes()
{
    std::vector<std::uint32_t> all;
    std::error_code ec;
    for (fs::directory_iterator entry("/proc", ec), end; !ec && entry != end;
         entry.increment(ec)) {
        const std::string name = entry->path().filename();
        std::uint32_t process = 0;
        const char* const last = name.data() + name.size();
        if (std::from_chars(name.data(), last, process).ptr == last)
            all.push_back(process);
    }
    if (ec)
        throw std::system_error(ec, "/proc");
    return all;
}

struct status {
    char state = 0;           // 0 when the process has gone
    std::uint32_t parent = 0; // likewise, and where it has none in this namespace
};

status status_of(std::uint32_t process)
{
    std::ifstream file(directory_of(process) / "stat");
    std::string line;
    std::getline(file, line, '\0');
    // The name, in parentheses, may hold anything.
    std::istringstream after_name(
        line.substr(std::min(line.rfind(')'), line.size() - 1) + 1));
    status found;
    after_name >> found.state >> found.parent;
    return found;
}

} // namespace

std::vector<std::uint32_t> process_tree(std::uint32_t root)
{
    std::multimap<std::uint32_t, std::uint32_t> children;
    for (const std::uint32_t process : all_processes())
        children.emplace(status_of(process).parent, process);

    std::vector<std::uint32_t> tree = {root};
    for (std::size_t i = 0; i < tree.size(); ++i) {
        const auto [first, last] = children.equal_range(tree[i]);
        for (auto child = first; child != last; ++child)
            if (std::ranges::find(tree, child->second) == tree.end())
                tree.push_back(child->second);
    }
    return tree;
}

possession has_socket(std::uint32_t process, std::uint32_t inode)
{
    const std::string wanted = "socket:[" + std::to_string(inode) + ']';
    std::error_code ec;
    for (fs::directory_iterator entry(directory_of(process) / "fd", ec), end;
         !ec && entry != end; entry.increment(ec)) {
        std::error_code closed;
        if (fs::read_symlink(entry->path(), closed) == wanted)
            return possession::yes;
        if (closed == std::errc::permission_denied)
            return possession::unknown;
    }
    // A zombie has no descriptors, but even its own user may not look.
    return ec == std::errc::permission_denied && status_of(process).state != 'Z'
               ? possession::unknown
               : possession::no;
}

std::uint32_t socket_holder(std::uint32_t inode)
{
    for (const std::uint32_t process : all_processes())
        if (has_socket(process, inode) == possession::yes)
            return process;
    return 0;
}

std::string process_name(std::uint32_t process)
{
    std::ifstream file(directory_of(process) / "comm");
    std::string name;
    std::getline(file, name);
    return name;
}

} // namespace berth::detail
