// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "allocator.hpp"

#include "browser_ports.hpp"
#include "counters.hpp"
#include "lease_access.hpp"
#include "reports.hpp"
#include "socket_plan.hpp"
#include "socket_steps.hpp"
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

std::atomic<allocator*> the_allocator = nullptr;

// Returns the part of a pattern that determines its valid first ports.
port_pattern footprint(const port_pattern& pattern) noexcept
{
    return is_rigid(pattern) ? pattern
                             : port_pattern(1).from_multiple_of(pattern.divisor());
}

// Returns the preferred port, where the pattern can begin with it; else 0.
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

// On Windows every lease is sealed.
lease_mode mode_of(const request& asked) noexcept
{
    return native_rules == sharing_rules::winsock ? lease_mode::sealed : asked.mode;
}

void tally_tries(const port_hunt& hunt, counters& tally) noexcept
{
    tally.tried += hunt.tries();
    tally.refused += hunt.refusals();
}

void answer_one(request& asked, allocation& answered) noexcept
{
    asked.ec = answered.ec;
    if (asked.ec)
        return;
    if (answered.spec.use != socket_use::hold) {
        asked.socket = std::move(answered.socket);
        return;
    }
    lease_sockets held;
    held.add(std::move(answered.socket), answered.spec.udp,
             answered.spec.address.is_v6());
    asked.lease = lease_access::make(std::move(held), answered.port, mode_of(asked));
}

} // namespace

allocator& allocator::instance()
{
    allocator* there = the_allocator.load(std::memory_order_acquire);
    if (there != nullptr && there->generation_ == fork_generation())
        return *there;

    observe_leases(&allocator::returned);
    call_in_child(&allocator::forget_parents);
    auto* const made = new allocator;
    if (the_allocator.compare_exchange_strong(there, made))
        return *made;
    delete made; // another thread was faster
    return *there;
}

void allocator::forget_parents() noexcept
{
    reset_counters();
    forget_leases();
    the_allocator.store(nullptr);
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

waiting_line* allocator::line() noexcept
{
    allocator* const there = the_allocator.load(std::memory_order_acquire);
    return there != nullptr ? &there->line_ : nullptr;
}

void allocator::run(std::span<request* const> batch)
{
    std::array<port_backend*, max_batch> chosen = {};
    for (std::size_t i = 0; i < batch.size(); ++i) {
        request& asked = *batch[i];
        asked.ec = check(asked);
        if (!asked.ec && !asked.ports)
            asked.ec = candidates_.default_error();
        if (!asked.ec)
            chosen[i] = backends_.choose(asked.which, asked.ec);
    }

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
    std::array<request*, max_batch> prepared = {};
    allocations.reserve(batch.size());
    for (request* const asked : batch) {
        try {
            const socket_plan plan = plan_sockets(*asked, have_ipv6());
            if (plan.all().size() == 1 && !asked->pattern) {
                prepared[allocations.size()] = asked;
                allocations.push_back(prepare(*asked, plan.all().front()));
            } else {
                find_set(through, *asked, plan.all());
            }
        } catch (const std::system_error& e) {
            asked->ec = e.code(); // the others must not suffer for it
        } catch (const std::bad_alloc&) {
            asked->ec = std::make_error_code(std::errc::not_enough_memory);
        }
    }
    if (allocations.empty())
        return;

    through.run(allocations);
    counters tally = {.batches = 1};
    {
        // In the child of a fork an answer must be there or not.
        const fork_guard guard;
        for (std::size_t i = 0; i < allocations.size(); ++i)
            answer_one(*prepared[i], allocations[i]);
    }
    for (std::size_t i = 0; i < allocations.size(); ++i) {
        const request& asked = *prepared[i];
        tally_tries(allocations[i].hunt, tally);
        tally.granted += asked.ec ? 0U : 1U;
        tally.exhausted += asked.ec == error::ports_exhausted ? 1U : 0U;
        if (asked.lease) {
            allocations[i].hunt.leased();
            lease_began(lease_access::known_by(asked.lease), asked.lease.port(),
                        asked.where);
        }
    }
    count(tally);
}

void allocator::find_set(port_backend& through, request& asked,
                         std::span<const socket_spec> sockets)
{
    const port_pattern pattern = asked.pattern.value_or(1);
    if (pattern.size() == 0)
        return;
    auto from = candidates_.find(asked.ports, asked.browser_safe, footprint(pattern));
    if (from->size() < (is_rigid(pattern) ? 1 : pattern.size())) {
        asked.ec = from->empty() && footprint(pattern) == port_pattern(1)
                       ? error::no_ports
                       : error::pattern_too_wide;
        return;
    }

    counters tally;
    set_search search(through, std::move(from), preferred_by(asked, pattern), pattern,
                      sockets, tally);
    std::vector<port_lease> leases;
    leases.reserve(pattern.size());
    const std::error_code ec = search.run();
    if (!ec) {
        search.take([&](lease_sockets held, std::uint16_t port) {
            leases.push_back(lease_access::make(std::move(held), port, mode_of(asked)));
            lease_began(lease_access::known_by(leases.back()), port, asked.where);
        });
        tally.granted += leases.size();
    }
    tally.exhausted += ec == error::ports_exhausted ? 1U : 0U;
    count(tally);

    const fork_guard guard; // as in run_on()
    asked.ec = ec;
    if (asked.pattern)
        asked.leases = std::move(leases);
    else if (!leases.empty())
        asked.lease = std::move(leases.front());
}

allocation allocator::prepare(const request& asked, const socket_spec& only)
{
    return {.spec = only,
            .hunt = candidates_.hunt(asked.ports, asked.browser_safe,
                                     asked.preferred.value_or(0))};
}

bool allocator::have_ipv6()
{
    if (have_ipv6_.load(std::memory_order_relaxed))
        return true;
    const bool have = detail::have_ipv6();
    have_ipv6_.store(have, std::memory_order_relaxed);
    return have;
}

std::uint16_t allocator::bind(native_socket socket, const asio::ip::address& address,
                              std::error_code& ec)
{
    ec = candidates_.default_error();
    if (ec)
        return 0;
    port_hunt search = candidates_.hunt(std::nullopt);
    const port_hunt::step last = bind_own(socket, address, search);
    ec = last.ec;
    counters tally;
    tally_tries(search, tally);
    tally.granted = !ec ? 1 : 0;
    tally.exhausted = ec == error::ports_exhausted ? 1 : 0;
    count(tally);
    return last.port;
}

void allocator::returned(std::uint16_t port) noexcept
{
    allocator* const there = the_allocator.load(std::memory_order_acquire);
    if (there == nullptr)
        return;
    there->candidates_.returned(port);
    if (!there->line_.empty())
        there->line_.returned(port, there->candidates_.is_default(port),
                              waiting_line::clock::now());
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
