// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "candidate_sets.hpp"

#include "browser_ports.hpp"
#include "runner_worker.hpp"
#include "system.hpp"

#include <berth/error.hpp>

#include <algorithm>
#include <cstdlib>
#include <random>

namespace berth::detail {

namespace {

// Each set of candidates costs 8 bytes a port. A program with more of them than this pays for the
// making of a set now and then.
constexpr std::size_t max_sets = 16;

// Called once, before the first thread can have a reason to change it.
const char* variable(const char* name)
{
    return std::getenv(name); // NOLINT(concurrency-mt-unsafe)
}

std::string text_of(const char* value)
{
    return value != nullptr ? value : "";
}

} // namespace

candidate_sets::candidate_sets()
    : ephemeral_range_(ephemeral_range()), reserved_ports_(reserved_ports()),
      environment_(text_of(variable("BERTH_PORT_RANGE"))),
      default_ports_(environment_.empty()
                         ? port_set(ephemeral_range_)
                         : port_set::parse(environment_, environment_error_)),
      worker_(runner_worker(variable))
{}

bool candidate_sets::is_left_to_system(const std::optional<port_set>& ports,
                                       bool browser_safe) const noexcept
{
    // The system knows nothing of browsers.
    return system_chooses_ports && !ports && environment_.empty() && !browser_safe;
}

port_hunt candidate_sets::hunt(const std::optional<port_set>& ports, bool browser_safe,
                               std::uint16_t preferred)
{
    if (browser_safe && blocked_by_browsers(preferred))
        preferred = 0;
    if (is_left_to_system(ports, browser_safe))
        return port_hunt(nullptr, preferred);
    auto found = find(ports, browser_safe, 1);
    if (found->empty())
        throw std::system_error(error::no_ports);
    return port_hunt(std::move(found), preferred);
}

std::shared_ptr<candidate_ports>
candidate_sets::find(const std::optional<port_set>& wanted, bool browser_safe,
                     const port_pattern& pattern)
{
    const port_set& ports = wanted ? *wanted : default_ports_;
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find_if(sets_, [&](const auto& set) {
        return set->browser_safe() == browser_safe && set->pattern() == pattern &&
               set->ports() == ports;
    });
    if (found != sets_.end()) {
        std::rotate(sets_.begin(), found, found + 1);
        return sets_.front();
    }
    if (sets_.size() == max_sets)
        sets_.pop_back();
    std::random_device seed;
    sets_.insert(sets_.begin(),
                 std::make_shared<candidate_ports>(
                     ports, reserved_ports_, std::minstd_rand(seed()),
                     ephemeral_range_.first, browser_safe, worker_, pattern));
    return sets_.front();
}

void candidate_sets::returned(std::uint16_t port) noexcept
{
    const std::lock_guard lock(mutex_);
    for (const auto& set : sets_)
        if (set->range().contains(port))
            set->give_back(port);
}

bool candidate_sets::is_default(std::uint16_t port) const noexcept
{
    return is_left_to_system(std::nullopt, false) || default_ports_.contains(port);
}

std::string candidate_sets::describe(const std::optional<port_set>& ports,
                                     bool browser_safe) const
{
    if (!ports && environment_error_)
        return "BERTH_PORT_RANGE=" + environment_;
    if (is_left_to_system(ports, browser_safe))
        return "a port of the system's choice";
    if (ports && ports->empty())
        return "no ports";
    return "ports " + to_string(ports.value_or(default_ports_)) +
           (ports || environment_.empty() ? "" : " of BERTH_PORT_RANGE");
}

} // namespace berth::detail
