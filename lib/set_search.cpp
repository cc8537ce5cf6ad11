// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "set_search.hpp"

#include <algorithm>
#include <utility>

namespace berth::detail {

set_search::set_search(port_backend& through, std::shared_ptr<candidate_ports> candidates,
                       std::uint16_t preferred, const port_pattern& pattern,
                       std::span<const socket_spec> sockets, counters& tally)
    : through_(through), candidates_(std::move(candidates)), preferred_(preferred),
      pattern_(pattern), ports_in_part_(is_rigid(pattern) ? pattern.size() : 1),
      sockets_(sockets), tally_(tally)
{}

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
        // Another part may want one of them next.
        for (part* const one : missing_)
            one->found.clear();
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
            for (const socket_spec& socket : sockets_) {
                places.push_back({&one, i, &socket});
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
        asked.push_back({.spec = *one.socket,
                         .hunt = port_hunt::only(one.of->found[one.index].port)});
    through_.run(asked);

    ++tally_.batches;
    std::error_code failure;
    for (std::size_t i = 0; i < places.size(); ++i) {
        part& one = *places[i].of;
        const socket_spec& spec = *places[i].socket;
        found_port& found = one.found[places[i].index];
        const std::error_code ec = asked[i].ec;
        tally_.tried += asked[i].hunt.tries();
        tally_.refused += asked[i].hunt.refusals();
        if (!ec) {
            found.sockets.add(std::move(asked[i].socket), spec.udp, spec.address.is_v6());
        } else if (ec == std::errc::address_in_use ||
                   ec == std::errc::permission_denied) {
            // All refusals of a round count, whichever part acts on its own first.
            const bool denied = ec == std::errc::permission_denied;
            tried_.all_denied = tried_.all_denied && denied;
            if (denied)
                denial_ = ec;
            if (!denied || !one.refusal)
                one.refusal = ec;
            busy_.set(found.port);
        } else if (!spec.optional || ec != std::errc::address_not_available) {
            failure = ec;
        }
    }
    return failure;
}

} // namespace berth::detail
