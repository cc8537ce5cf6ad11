// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "catch.hpp"
#include "runner_worker.hpp"

#include <map>
#include <string>

using berth::detail::runner_worker;

namespace {

using variables = std::map<std::string, std::string>;

/// The number in an environment of these variables; -1 for none.
std::int64_t worker_of(const variables& all)
{
    const auto found = runner_worker([&all](const char* name) {
        const auto one = all.find(name);
        return one != all.end() ? one->second.c_str() : nullptr;
    });
    return found ? std::int64_t(*found) : -1;
}

} // namespace

TEST_CASE("each runner's number of a worker is known", "[unit]")
{
    CHECK(worker_of({{"PYTEST_XDIST_WORKER", "gw0"}}) == 0);
    CHECK(worker_of({{"PYTEST_XDIST_WORKER", "gw3"}}) == 3);
    CHECK(worker_of({{"NEXTEST_TEST_GLOBAL_SLOT", "12"}}) == 12);
    CHECK(worker_of({{"TEST_SHARD_INDEX", "7"}}) == 7);
    CHECK(worker_of({{"GTEST_SHARD_INDEX", "4294967295"}}) == 4294967295);
    CHECK(worker_of({{"CTEST_RESOURCE_GROUP_COUNT", "1"},
                     {"CTEST_RESOURCE_GROUP_0", "gpus"},
                     {"CTEST_RESOURCE_GROUP_0_GPUS", "id:3,slots:1"}}) == 3);
    CHECK(worker_of({{"CTEST_RESOURCE_GROUP_0", "port_block2,gpus"},
                     {"CTEST_RESOURCE_GROUP_0_GPUS", "id:3,slots:1"},
                     {"CTEST_RESOURCE_GROUP_0_PORT_BLOCK2",
                      "id:5,slots:2;id:6,slots:1"}}) == 5);
}

TEST_CASE("without a runner there is no number", "[unit]")
{
    CHECK(worker_of({}) == -1);
    CHECK(worker_of({{"PYTEST_XDIST_WORKER_COUNT", "4"}}) == -1);
}

TEST_CASE("a value that is no worker's number is passed over", "[unit]")
{
    for (const char* const value :
         {"", "master", "gw", "gw-1", "gw 1", "gw1x", "GW1", "1"})
        CHECK(worker_of({{"PYTEST_XDIST_WORKER", value}}) == -1);
    for (const char* const name :
         {"NEXTEST_TEST_GLOBAL_SLOT", "TEST_SHARD_INDEX", "GTEST_SHARD_INDEX"})
        for (const char* const value :
             {"", "-1", "+1", " 1", "1 ", "1.5", "none", "4294967296", "0x1"})
            CHECK(worker_of({{name, value}}) == -1);
    for (const char* const value :
         {"", "id:", "id:a,slots:1", "3,slots:1", "slots:1,id:3", "id:3;id:4"})
        CHECK(worker_of({{"CTEST_RESOURCE_GROUP_0", "gpus"},
                         {"CTEST_RESOURCE_GROUP_0_GPUS", value}}) == -1);
    CHECK(worker_of({{"CTEST_RESOURCE_GROUP_0", ""},
                     {"CTEST_RESOURCE_GROUP_0_", "slots:1"}}) == -1);
    CHECK(worker_of({{"CTEST_RESOURCE_GROUP_0", "gpus"}}) == -1);

    CHECK(worker_of({{"PYTEST_XDIST_WORKER", "master"}, {"TEST_SHARD_INDEX", "2"}}) == 2);
}
