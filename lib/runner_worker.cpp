// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "runner_worker.hpp"

#include <charconv>
#include <string>
#include <string_view>

namespace berth::detail {

namespace {

std::string_view value_of(const environment& get, const std::string& name)
{
    const char* const value = get(name.c_str());
    return value != nullptr ? value : "";
}

// The number that is left when the prefix is gone, and nothing after it.
std::optional<std::uint32_t> read_number(std::string_view text,
                                         std::string_view prefix = "")
{
    if (!text.starts_with(prefix))
        return std::nullopt;
    text.remove_prefix(prefix.size());
    std::uint32_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, ec] = std::from_chars(text.data(), end, number);
    if (ec != std::errc() || rest != end)
        return std::nullopt;
    return number;
}

// The first resource of the first type in the first of the groups that CTest gave the test: "gpus"
// of CTEST_RESOURCE_GROUP_0=gpus, then 3 of CTEST_RESOURCE_GROUP_0_GPUS=id:3,slots:1
// (https://cmake.org/cmake/help/latest/manual/ctest.1.html#environment-variables).
std::optional<std::uint32_t> ctest_resource(const environment& get)
{
    const std::string group = "CTEST_RESOURCE_GROUP_0";
    const std::string_view types = value_of(get, group);
    std::string name = group + '_';
    for (const char letter : types.substr(0, types.find(','))) // of [a-z0-9_]
        name += 'a' <= letter && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A')
                                               : letter;
    const std::string_view resources = value_of(get, name);
    return read_number(resources.substr(0, resources.find(',')), "id:");
}

} // namespace

std::optional<std::uint32_t> runner_worker(const environment& get)
{
    if (const auto number = read_number(value_of(get, "PYTEST_XDIST_WORKER"), "gw"))
        return number;
    // nextest's slots, Bazel's shards, GoogleTest's shards.
    for (const char* const name :
         {"NEXTEST_TEST_GLOBAL_SLOT", "TEST_SHARD_INDEX", "GTEST_SHARD_INDEX"})
        if (const auto number = read_number(value_of(get, name)))
            return number;
    return ctest_resource(get);
}

} // namespace berth::detail
