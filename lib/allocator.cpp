// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "allocator.hpp"

#include "browser_ports.hpp"
#include "reports.hpp"
#include "system.hpp"

#include <berth/error.hpp>
#include <berth/find_unused_port.hpp>
#include <berth/find_unused_ports.hpp>

#include <algorithm>
#include <array>
#include <atomic>

namespace berth {

namespace detail {

namespace {

// A port that is still held for a moment after its lease was dropped does not matter where there
// are so many others.
constexpr std::uint32_t plenty = 1024;

std::atomic<allocator*> the_allocator = nullptr;

// What of a pattern decides with which ports it can begin.
port_pattern footprint(const port_pattern& pattern) noexcept
{
    return is_rigid(pattern) ? pattern
                             : port_pattern(1).from_multiple_of(pattern.divisor());
}

// The preferred port, where the pattern can begin with it; else 0.
std::uint16_t preferred_by(const request& asked, const port_pattern& pattern) noexcept
{
    const std::uint16_t port = asked.preferred.value_or(0);
    if (port % pattern.divisor() != 0)
        return 0;
    const std::size_t fixed = is_rigid(pattern) ? pattern.size() : 1;
    for (std::size_t i = 0; i < fixed; ++i) {
        const std::uint32_t other = port + pattern.offset(i);
        if (other > 65535 || (asked.browser_safe &&
                              blocked_by_browsers(static_cast<std::uint16_t>(other))))
            return 0;
    }
    return port;
}

} // namespace

const bool allocator::watching_forks = watch_forks(&allocator::disown_after_fork);

allocator& allocator::instance()
{
    allocator* there = the_allocator.load(std::memory_order_acquire);
    if (there != nullptr)
        return *there;

    auto* const made = new allocator;
    if (the_allocator.compare_exchange_strong(there, made))
        return *made;
    delete made; // another thread was faster
    return *there;
}

allocator::allocator()
    : have_ipv6_(have_ipv6()),
      have_ipv6_loopback_(have_ipv6_ && have_address(asio::ip::address_v6::loopback()))
{}

void allocator::disown_after_fork() noexcept
{
    reset_counters();
    forget_leases();
    if (allocator* const parents = the_allocator.exchange(nullptr))
        parents->disown();
}

void allocator::disown() noexcept
{
    groups_.disown();
    backends_.disown();
}

void allocator::answer(std::span<request* const> batch) noexcept
{
    std::error_code failure;
    try {
        instance().run(batch);
        return;
    } catch (const std::system_error& e) {
        failure = e.code();
    } catch (const std::exception&) {
        failure = std::make_error_code(std::errc::not_enough_memory);
    }
    for (request* const asked : batch)
        if (!asked->ec && !asked->lease && asked->leases.empty() &&
            asked->socket.get() == no_socket)
            asked->ec = failure;
}

const candidate_sets* allocator::searched() noexcept
{
    const allocator* const there = the_allocator.load(std::memory_order_acquire);
    return there != nullptr ? &there->candidates_ : nullptr;
}

void allocator::close_dropped() noexcept
{
    if (allocator* const there = the_allocator.load(std::memory_order_acquire))
        there->backends_.close_dropped();
}

waiting_line* allocator::line() noexcept
{
    allocator* const there = the_allocator.load(std::memory_order_acquire);
    return there != nullptr ? &there->line_ : nullptr;
}

void allocator::run(std::span<request* const> batch)
{
    const std::uint64_t closed_before = drops_closed_.load();
    run_once(batch);

    // Leases that were dropped just now may still hold the last ports of a range.
    std::array<request*, max_batch> exhausted = {};
    std::size_t count = 0;
    for (request* const asked : batch)
        if (asked->ec == error::ports_exhausted)
            exhausted[count++] = asked;
    if (count != 0 && close_all_dropped(closed_before))
        run_once(std::span(exhausted).first(count));

    counters tally;
    for (const request* const asked : std::span(exhausted).first(count))
        tally.exhausted += asked->ec == error::ports_exhausted ? 1U : 0U;
    detail::count(tally);
}

// Whether there were any that a request which began then may have met.
bool allocator::close_all_dropped(std::uint64_t closed_before) noexcept
{
    const std::uint64_t closed = drops_.load();
    backends_.close_all_dropped();
    drops_closed_.store(closed);
    return closed != closed_before;
}

void allocator::run_once(std::span<request* const> batch)
{
    counters tally;
    std::array<port_backend*, max_batch> chosen = {};
    for (std::size_t i = 0; i < batch.size(); ++i) {
        request& asked = *batch[i];
        asked.ec = check(asked);
        if (!asked.ec && !asked.ports)
            asked.ec = candidates_.default_error();
        if (!asked.ec)
            chosen[i] = backends_.choose(asked.which, asked.ec, tally);
    }
    count(tally);

    // Requests for one back end go out together.
    std::array<request*, max_batch> together = {};
    for (std::size_t i = 0; i < batch.size(); ++i) {
        port_backend* const through = chosen[i];
        if (through == nullptr)
            continue;
        std::size_t count = 0;
        for (std::size_t j = i; j < batch.size(); ++j)
            if (chosen[j] == through) {
                together[count++] = batch[j];
                chosen[j] = nullptr;
            }
        run_on(*through, std::span(together).first(count));
    }
}

void allocator::run_on(port_backend& through, std::span<request* const> batch)
{
    std::vector<allocation> allocations;
    std::vector<request*> prepared;
    allocations.reserve(batch.size());
    prepared.reserve(batch.size());
    for (request* const asked : batch) {
        try {
            const holder_list holders =
                holders_for(*asked, have_ipv6_, have_ipv6_loopback_);
            if (holders.all().size() == 1 && !asked->pattern) {
                allocations.push_back(prepare(*asked, holders.all().front()));
                prepared.push_back(asked);
            } else {
                find_set(through, *asked, holders.all());
            }
        } catch (const std::system_error& e) {
            asked->ec = e.code(); // the others must not suffer for it
        } catch (const std::bad_alloc&) {
            asked->ec = std::make_error_code(std::errc::not_enough_memory);
        }
    }

    if (prepared.empty())
        return;

    const std::error_code failure = through.run(allocations);
    counters tally = {.batches = 1};
    if (failure) {
        for (request* const asked : prepared)
            run_instead(through, *asked, failure, tally);
        count(tally);
        return;
    }

    for (std::size_t i = 0; i < prepared.size(); ++i) {
        request& asked = *prepared[i];
        allocation& answered = allocations[i];
        asked.ec = answered.ec;
        tally_tries(answered.hunt, tally);
        if (asked.ec)
            continue;
        ++tally.granted;
        if (answered.is_lease()) {
            answered.hunt.leased();
            asked.lease =
                lease_access::make({.by = &through,
                                    .handle = answered.handle,
                                    .port = answered.port,
                                    .mode = answered.mode,
                                    .ipv6 = answered.address.is_v6(),
                                    .udp = answered.is_udp(),
                                    .may_linger = answered.hunt.fresh() >= plenty});
            lease_began(lease_access::held(asked.lease), asked.where);
        } else {
            asked.socket = std::move(answered.socket);
        }
    }
    count(tally);
}

void allocator::run_instead(const port_backend& failed, request& asked,
                            const std::error_code& failure, counters& tally)
{
    request* const alone = &asked;
    if (port_backend* const other =
            backends_.instead_of(&failed, asked.which, failure, tally))
        run_on(*other, std::span(&alone, 1));
    else
        asked.ec = failure;
}

void allocator::find_set(port_backend& through, request& asked,
                         std::span<const holder_at> holders)
{
    const port_pattern pattern = asked.pattern.value_or(1);
    if (pattern.size() == 0)
        return;
    const auto from =
        candidates_.find(asked.ports, asked.browser_safe, footprint(pattern));
    if (from->size() < (is_rigid(pattern) ? 1 : pattern.size())) {
        asked.ec = from->empty() && footprint(pattern) == port_pattern(1)
                       ? error::no_ports
                       : error::pattern_too_wide;
        return;
    }

    // A lease that was dropped just now may still hold one of these very ports.
    if (asked.preferred)
        (void)close_all_dropped(0);
    counters tally;
    set_search search(through, from, preferred_by(asked, pattern), pattern, holders,
                      asked.mode, tally);
    asked.ec = search.run();
    if (search.could_take_nothing()) {
        search.close_all(); // they would be in the way of the other back end
        run_instead(through, asked, asked.ec, tally);
    } else if (!asked.ec) {
        take_found(search, asked, from->fresh() >= plenty);
        tally.granted += pattern.size();
    }
    count(tally);
}

void allocator::take_found(set_search& search, request& asked, bool may_linger)
{
    std::vector<port_lease> leases;
    leases.reserve(asked.pattern ? asked.pattern->size() : 1);
    search.take([&](const found_port& found) {
        leases.push_back(make_lease(found, may_linger));
        lease_began(lease_access::held(leases.back()), asked.where);
    });
    if (asked.pattern)
        asked.leases = std::move(leases);
    else
        asked.lease = std::move(leases.front());
}

port_lease allocator::make_lease(const found_port& found, bool may_linger)
{
    const holder& first = found.holders.front();
    const bool alone = found.holders.size() == 1;
    return lease_access::make(
        {.by = alone ? first.by : &groups_,
         .handle = alone ? first.handle : groups_.add(found.holders),
         .port = found.port,
         .mode = found.mode,
         .ipv6 = first.kind.ipv6,
         .udp = first.kind.udp,
         .may_linger = may_linger});
}

allocation allocator::prepare(const request& asked, const holder_at& only)
{
    // A lease that was dropped just now may still hold the very port.
    if (asked.preferred)
        (void)close_all_dropped(0);
    const bool udp_lease = asked.what == product::lease && only.udp;
    return {.what = udp_lease ? product::udp_lease : asked.what,
            .address = only.address,
            .ipv6_only = only.ipv6_only,
            .beside_own = only.beside_own,
            .mode = asked.mode,
            .listen = asked.listen,
            .backlog = asked.backlog,
            .hunt = candidates_.hunt(asked.ports, asked.browser_safe,
                                     asked.preferred.value_or(0))};
}

std::uint16_t allocator::bind(native_socket socket, const asio::ip::address& address,
                              std::error_code& ec)
{
    ec = candidates_.default_error();
    if (ec)
        return 0;
    const std::uint64_t closed_before = drops_closed_.load();
    counters tally;
    const auto try_once = [&] {
        port_hunt search = candidates_.hunt(std::nullopt);
        const port_hunt::step last = bind_own(socket, address, search);
        tally_tries(search, tally);
        return last;
    };
    port_hunt::step step = try_once();
    if (step.ec == error::ports_exhausted && close_all_dropped(closed_before))
        step = try_once();
    ec = step.ec;
    tally.granted = !ec ? 1 : 0;
    tally.exhausted = ec == error::ports_exhausted ? 1 : 0;
    count(tally);
    return step.port;
}

void allocator::returned(std::uint16_t port) noexcept
{
    candidates_.returned(port);
    if (!line_.empty())
        line_.returned(port, candidates_.is_default(port), waiting_line::clock::now());
}

void allocator::dropped(std::uint16_t port) noexcept
{
    ++drops_;
    returned(port);
}

void allocate(request& asked) noexcept
{
    if (asked.wait.count() > 0) {
        allocate_patiently(asked);
        return;
    }
    request* const batch = &asked;
    allocator::answer(std::span(&batch, 1));
}

std::uint16_t bind_socket(native_socket socket, const asio::ip::address& address,
                          std::error_code& ec) noexcept
{
    try {
        return allocator::instance().bind(socket, address, ec);
    } catch (const std::system_error& e) {
        ec = e.code();
    } catch (const std::exception&) {
        ec = std::make_error_code(std::errc::not_enough_memory);
    }
    return 0;
}

} // namespace detail

std::vector<backend_status> available_backends()
{
    return detail::allocator::instance().backends().status();
}

port_lease find_unused_port(const find_options& options, std::error_code& ec) noexcept
{
    detail::request asked(options);
    detail::allocate(asked);
    ec = asked.ec;
    return std::move(asked.lease);
}

port_lease find_unused_port(const find_options& options)
{
    std::error_code ec;
    port_lease lease = find_unused_port(options, ec);
    if (ec)
        detail::throw_error(ec, "find_unused_port", detail::request(options));
    return lease;
}

std::vector<port_lease> find_unused_ports(const port_pattern& pattern,
                                          const find_options& options,
                                          std::error_code& ec) noexcept
{
    detail::request asked(pattern, options);
    detail::allocate(asked);
    ec = asked.ec;
    return std::move(asked.leases);
}

std::vector<port_lease> find_unused_ports(const port_pattern& pattern,
                                          const find_options& options)
{
    std::error_code ec;
    std::vector<port_lease> leases = find_unused_ports(pattern, options, ec);
    if (ec)
        detail::throw_error(ec, "find_unused_ports", detail::request(pattern, options));
    return leases;
}

} // namespace berth
