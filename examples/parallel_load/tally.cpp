// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "tally.hpp"

#include <iterator>

namespace load {

namespace {

constexpr std::size_t most_messages = 5;

template <class Value>
void append(std::vector<Value>& to, std::vector<Value>&& from)
{
    to.insert(to.end(), std::make_move_iterator(from.begin()),
              std::make_move_iterator(from.end()));
}

} // namespace

// NOLINTNEXTLINE
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(counts, answered, stolen, wrong, failed, not_run)

void to_json(nlohmann::json& to, const tally& from)
{
    to = {{"servers", from.servers},   {"programs", from.programs},
          {"messages", from.messages}, {"binds", from.binds},
          {"finds", from.finds},       {"waits", from.waits},
          {"seconds", from.seconds},   {"workers", from.workers}};
}

void from_json(const nlohmann::json& from, tally& to)
{
    from.at("servers").get_to(to.servers);
    from.at("programs").get_to(to.programs);
    from.at("messages").get_to(to.messages);
    from.at("binds").get_to(to.binds);
    from.at("finds").get_to(to.finds);
    from.at("waits").get_to(to.waits);
    from.at("seconds").get_to(to.seconds);
    from.at("workers").get_to(to.workers);
}

void counts::add(fate what)
{
    switch (what) {
    case fate::answered:
        ++answered;
        break;
    case fate::wrong:
        ++wrong;
        [[fallthrough]];
    case fate::stolen:
        ++stolen;
        break;
    case fate::failed:
        ++failed;
        break;
    case fate::not_run:
        break;
    }
}

void counts::add(const counts& others)
{
    answered += others.answered;
    stolen += others.stolen;
    wrong += others.wrong;
    failed += others.failed;
    if (not_run.empty())
        not_run = others.not_run;
}

void tally::complain(const std::string& message)
{
    if (messages.size() < most_messages)
        messages.push_back(message);
}

void tally::add(tally other)
{
    servers.add(other.servers);
    for (const auto& [name, of_it] : other.programs)
        programs[name].add(of_it);
    for (const std::string& message : other.messages)
        complain(message);
    append(binds, std::move(other.binds));
    append(finds, std::move(other.finds));
    append(waits, std::move(other.waits));
    seconds += other.seconds;
    workers += other.workers;
}

counts tally::everything() const
{
    counts sum = servers;
    for (const auto& [name, of_it] : programs)
        sum.add(of_it);
    return sum;
}

double tally::allocations_per_second() const
{
    return seconds > 0 ? static_cast<double>(allocations()) * workers / seconds : 0;
}

} // namespace load
