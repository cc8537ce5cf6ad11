// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "reports.hpp"

#include <berth/port_lease.hpp>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace berth {

namespace detail {

namespace {

/// The leases that were found while a handler was set.
class known_leases {
public:
    void add(native_socket lease, std::uint16_t port, const source_location& where)
    {
        const std::lock_guard lock(mutex_);
        leases_.insert_or_assign(lease, report{incident::leak, port, where});
    }

    void remove(native_socket lease) noexcept
    {
        const std::lock_guard lock(mutex_);
        leases_.erase(lease);
    }

    [[nodiscard]] source_location where(native_socket lease, std::uint16_t port) noexcept
    {
        const std::lock_guard lock(mutex_);
        // The lease may have ended since it was asked about, and another have its descriptor.
        const auto found = leases_.find(lease);
        const bool is_known = found != leases_.end() && found->second.port == port;
        return is_known ? found->second.where : source_location();
    }

    [[nodiscard]] std::vector<report> as_leaks()
    {
        const std::lock_guard lock(mutex_);
        std::vector<report> all;
        for (const auto& [its, leak] : leases_)
            all.push_back(leak);
        return all;
    }

private:
    std::mutex mutex_;
    std::map<native_socket, report> leases_;
};

std::atomic<report_handler> handler_of_process = nullptr;

// Made with the first lease that is to be known and never destroyed; the child of a fork starts
// with none.
std::atomic<known_leases*> known = nullptr;

known_leases& make_known()
{
    known_leases* there = known.load(std::memory_order_acquire);
    if (there != nullptr)
        return *there;
    auto* const made = new known_leases;
    if (known.compare_exchange_strong(there, made))
        return *made;
    delete made; // another thread was faster
    return *there;
}

void report_leaks() noexcept
{
    const report_handler tell = handler_of_process.load();
    known_leases* const there = known.load(std::memory_order_acquire);
    if (tell == nullptr || there == nullptr)
        return;
    for (const report& leak : there->as_leaks())
        tell(leak);
}

} // namespace

void lease_began(native_socket lease, std::uint16_t port,
                 const source_location& where) noexcept
{
    if (handler_of_process.load(std::memory_order_relaxed) == nullptr)
        return;
    try {
        make_known().add(lease, port, where);
    } catch (const std::bad_alloc&) {
        // A lease that is not known is better than none.
    }
}

void lease_ended(native_socket lease) noexcept
{
    // The thread that ends a known lease sees that there are any.
    if (known_leases* const there = known.load(std::memory_order_acquire))
        there->remove(lease);
}

void report_theft(std::uint16_t port, native_socket lease) noexcept
{
    const report_handler tell = handler_of_process.load();
    if (tell == nullptr)
        return;
    known_leases* const there = known.load(std::memory_order_acquire);
    tell({incident::theft, port,
          there != nullptr ? there->where(lease, port) : source_location()});
}

void forget_leases() noexcept
{
    // The mutex may be held by a thread that is not here: the parent's leases stay where they are.
    known.store(nullptr);
}

} // namespace detail

report_handler set_report_handler(report_handler handler) noexcept
{
    [[maybe_unused]] static const int once = std::atexit(&detail::report_leaks);
    return detail::handler_of_process.exchange(handler);
}

} // namespace berth
