// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "way.hpp"

#include "kit/clock.hpp"

#include <algorithm>
#include <exception>
#include <future>

namespace bench {

std::string to_string(goods what)
{
    return what == goods::number ? "find" : "listen";
}

const std::vector<way_maker>& way_makers()
{
    static const std::vector<way_maker> all = {
        {"berth", [](goods what) { return berth_way(what); }},
        {"berth, system calls",
         [](goods what) { return berth_way(what, berth::backend::syscalls); }},
        {"bare ring", bare_ring_way},
        {"original", original_way},
        {"Asio", asio_way},
        {"libuv", libuv_way},
        {"Python", python_way},
    };
    return all;
}

way make_way(const std::string& name, goods what)
{
    return std::ranges::find(way_makers(), name, &way_maker::name)->make(what);
}

std::vector<std::string> possible_ways(goods what,
                                       const std::function<void(std::string)>& skip)
{
    std::vector<std::string> names;
    for (const way_maker& one : way_makers()) {
        try {
            (void)one.make(what);
            names.push_back(one.name);
        } catch (const not_possible_here& e) {
            skip(e.what());
        }
    }
    return names;
}

void on_threads(const task& its, const std::function<void(std::size_t)>& work)
{
    std::vector<std::future<void>> others;
    const std::size_t share = its.operations / its.threads;
    while (others.size() + 1 < its.threads)
        others.push_back(std::async(std::launch::async, work, share));
    work(its.operations - share * others.size());
    for (auto& other : others)
        other.get();
}

void one_by_one(const task& its, const std::function<void()>& operation)
{
    on_threads(its, [&](std::size_t operations) {
        for (; operations > 0; --operations) {
            const std::uint64_t start = its.latencies != nullptr ? now() : 0;
            operation();
            if (its.latencies != nullptr)
                its.latencies->add(now() - start);
        }
    });
}

} // namespace bench
