// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "set_search.hpp"

#include <algorithm>
#include <utility>

namespace berth::detail {

set_search::set_search(port_backend& through, std::shared_ptr<candidate_ports> candidates,
                       std::uint16_t preferred, const port_pattern& pattern,
                       std::span<const holder_at> holders, lease_mode mode,
                       counters& tally)
    : through_(through), candidates_(std::move(candidates)), preferred_(preferred),
      pattern_(pattern), ports_in_part_(is_rigid(pattern) ? pattern.size() : 1),
      holders_(holders), mode_(mode), tally_(tally)
{}

void set_search::close_all() noexcept
{
    for (part& one : parts_)
        close(one);
    missing_.clear();
    parts_.clear();
    through_.close_all_dropped();
}

std::error_code set_search::run()
{
    const std::size_t parts = is_rigid(pattern_) ? 1 : pattern_.size();
    parts_.reserve(parts);
    missing_.reserve(parts);
    for (std::size_t i = 0; i < parts; ++i) {
        parts_.push_back(
            {.hunt = port_hunt(candidates_, i == 0 ? preferred_ : std::uint16_t{0},
                               &tried_)});
        part& one = parts_.back();
        missing_.push_back(&one);
        if (const auto ec = settle(one, one.hunt.start()))
            return ec;
    }

    for (;;) {
        if (const auto ec = try_all())
            return ec;
        std::erase_if(missing_, [](const part* one) { return !one->refusal; });
        if (missing_.empty())
            return {};
        for (part* const one : missing_)
            close(*one);
        // Another part may want one of them next.
        through_.close_all_dropped();
        for (part* const one : missing_)
            if (const auto ec = settle(*one, one->hunt.refused(one->first, one->refusal)))
                return ec;
    }
}

// Goes on to the next first port that may do.
std::error_code set_search::settle(part& one, port_hunt::step next)
{
    while (next.port != 0) {
        one.first = next.port;
        if (!is_known_busy(one))
            return {};
        next = one.hunt.refused(next.port,
                                tried_.all_denied
                                    ? denial_
                                    : std::make_error_code(std::errc::address_in_use));
    }
    return next.ec;
}

bool set_search::is_known_busy(const part& one) const noexcept
{
    for (std::size_t i = 0; i < ports_in_part_; ++i)
        if (busy_.test(one.first + pattern_.offset(i)))
            return true;
    return false;
}

// Tries what is still to be found, a batch after the other.
std::error_code set_search::try_all()
{
    std::vector<place> places;
    places.reserve(max_batch);
    for (part* const missing : missing_) {
        part& one = *missing;
        one.refusal.clear();
        one.found.resize(ports_in_part_);
        for (std::size_t i = 0; i < ports_in_part_ && !one.refusal; ++i) {
            one.found[i].port =
                static_cast<std::uint16_t>(one.first + pattern_.offset(i));
            one.found[i].holders.reserve(holders_.size());
            for (const holder_at& holder : holders_) {
                places.push_back({&one, i, &holder});
                if (places.size() < max_batch)
                    continue;
                if (const auto ec = run_batch(places))
                    return ec;
                places.clear();
            }
        }
    }
    return places.empty() ? std::error_code() : run_batch(places);
}

// An error returned ends the search; that a port is taken is noted with its part.
std::error_code set_search::run_batch(std::span<const place> places)
{
    std::vector<allocation> asked;
    asked.reserve(places.size());
    for (const place& one : places)
        asked.push_back({.what = one.holder->udp ? product::udp_lease : product::lease,
                         .address = one.holder->address,
                         .ipv6_only = one.holder->ipv6_only,
                         .beside_own = one.holder->beside_own,
                         .mode = mode_,
                         .listen = false,
                         .backlog = 0,
                         .hunt = port_hunt::only(one.of->found[one.index].port)});
    if (const auto ec = through_.run(asked)) {
        could_take_nothing_ = true;
        return ec;
    }

    ++tally_.batches;
    std::error_code failure;
    for (std::size_t i = 0; i < places.size(); ++i) {
        part& one = *places[i].of;
        found_port& found = one.found[places[i].index];
        const std::error_code ec = asked[i].ec;
        tally_tries(asked[i].hunt, tally_);
        if (!ec) {
            found.mode = asked[i].mode;
            found.holders.push_back(
                {&through_,
                 asked[i].handle,
                 {places[i].holder->udp, places[i].holder->address.is_v6()}});
        } else if (ec == std::errc::address_in_use ||
                   ec == std::errc::permission_denied) {
            // Of all that were refused in one round, whoever is told of it first.
            const bool denied = ec == std::errc::permission_denied;
            tried_.all_denied = tried_.all_denied && denied;
            if (denied)
                denial_ = ec;
            if (!denied || !one.refusal)
                one.refusal = ec;
            busy_.set(found.port);
        } else {
            failure = ec;
        }
    }
    return failure;
}

void set_search::close(part& one) noexcept
{
    for (const found_port& found : one.found)
        for (const holder& held : found.holders)
            through_.close_soon(held.handle);
    one.found.clear();
}

} // namespace berth::detail
