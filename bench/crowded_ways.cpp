// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "crowded_ways.hpp"

#include <map>

namespace bench {

namespace {

helper::service prepare(unsigned percent, spread how)
{
    enter_private_network();
    const auto others = std::make_shared<crowd>(percent, how);
    const auto made = std::make_shared<std::map<std::string, way>>();
    return [others, made](const nlohmann::json& question) -> nlohmann::json {
        const std::string name = question.at("way");
        if (!made->contains(name))
            made->emplace(name, make_way(name, goods::number));
        const cost its =
            bench::measure(made->at(name), {.operations = question.at("operations"),
                                            .in_flight = question.at("in_flight")});
        return {{"wall", its.wall}, {"cpu", its.cpu}};
    };
}

} // namespace

crowded_ways::crowded_ways(unsigned percent, spread how)
    : process_([=] { return prepare(percent, how); })
{}

cost crowded_ways::measure(const std::string& name, std::size_t operations,
                           unsigned in_flight) const
{
    process_.ask({{"way", name}, {"operations", operations}, {"in_flight", in_flight}});
    const auto answer = process_.hear();
    return {answer.at("wall"), answer.at("cpu")};
}

contender crowded_ways::contend(const std::string& name, std::size_t operations,
                                unsigned in_flight) const
{
    return {name, [=, this] { return measure(name, operations, in_flight); }};
}

} // namespace bench
