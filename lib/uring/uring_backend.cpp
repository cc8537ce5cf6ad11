// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../backend.hpp"
#include "../counters.hpp"
#include "ring_calls.hpp"

#include <berth/error.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

namespace berth::detail {

namespace {

// A smaller batch costs less by system calls (docs/performance.md).
constexpr std::size_t smallest_batch = 4;

constexpr unsigned ring_entries = max_batch; // 8 KiB of locked memory
constexpr unsigned ring_flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL;
constexpr std::size_t max_rings = 64;

// While memory or descriptors are short another ring is tried for with one batch in so many.
constexpr unsigned retry_interval = 64;

/// Why a batch does without a ring.
enum class refusal : std::uint8_t {
    none,
    unavailable,  // the kernel makes none here, or not for this thread
    no_resources, // memory or descriptors are short
    forbidden,    // this thread may not submit
    busy,         // other threads use all rings
    broken,       // the kernel failed otherwise
};

bool is_shortage(int error) noexcept
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

refusal refusal_to_submit(int error) noexcept
{
    if (is_shortage(error) || error == EBUSY)
        return refusal::no_resources;
    const bool is_filtered = error == EPERM || error == EACCES || error == ENOSYS;
    return is_filtered ? refusal::forbidden : refusal::broken;
}

void count_refusal(refusal why, std::size_t requests) noexcept
{
    counters more;
    switch (why) {
    case refusal::none:
        return;
    case refusal::unavailable:
        more.fallback_unavailable = requests;
        break;
    case refusal::no_resources:
        more.fallback_no_resources = requests;
        break;
    case refusal::forbidden:
        more.fallback_forbidden = requests;
        break;
    case refusal::busy:
        more.fallback_busy = requests;
        break;
    case refusal::broken:
        more.fallback_broken = requests;
        break;
    }
    count(more);
}

// A filter (seccomp) is a thread's, and stays for good.
constinit thread_local refusal of_this_thread = refusal::none;

/// Where a ring is kept between the batches.
class ring_slot {
public:
    [[nodiscard]] bool try_lock() noexcept
    {
        return !taken_.load(std::memory_order_relaxed) &&
               !taken_.exchange(true, std::memory_order_acquire);
    }

    void unlock() noexcept { taken_.store(false, std::memory_order_release); }

    std::unique_ptr<ring> its; // guarded by the lock

private:
    std::atomic<bool> taken_ = false;
};

/// Opens and binds batches through as many rings as threads do so at once. A ring that cannot be had
/// now is not waited for: the batch does without.
class uring_backend final : public port_backend {
public:
    void run(std::span<allocation> batch) noexcept override
    {
        refusal why = refusal::none;
        if (batch.size() >= smallest_batch && run_on_ring(batch, why))
            return;
        count_refusal(why, batch.size());
        open_and_bind(batch, calls_);
    }

    std::error_code check() noexcept override
    {
        if (was_made_.load(std::memory_order_acquire))
            return {};
        refusal why = refusal::none;
        const std::unique_lock<ring_slot> slot = take_ring(why, true);
        if (slot || why == refusal::busy) // another thread is making one
            return {};
        const std::lock_guard lock(mutex_);
        if (why == refusal::no_resources && last_failure_ &&
            last_failure_->code() != std::errc::not_enough_memory)
            return last_failure_->code();
        return error::backend_unavailable;
    }

    backend_status status() override
    {
        const bool works = !check();
        const std::lock_guard lock(mutex_);
        return {backend::io_uring, works,
                !works && last_failure_ ? last_failure_->what() : std::string()};
    }

private:
    bool run_on_ring(std::span<allocation> batch, refusal& why) noexcept
    {
        const std::unique_lock<ring_slot> slot = take_ring(why, false);
        if (!slot)
            return false;
        ring_calls calls(*slot.mutex()->its);
        open_and_bind(batch, calls);
        if (const std::error_code failure = calls.failure()) {
            slot.mutex()->its.reset();
            why = refusal_to_submit(failure.value());
            if (why == refusal::forbidden)
                of_this_thread = why;
            count_refusal(why, batch.size());
        }
        return true;
    }

    // Returns a ring that no other thread uses, the one that this thread had last if possible; none, with
    // the reason. `now` tries to make one however short things were before.
    std::unique_lock<ring_slot> take_ring(refusal& why, bool now) noexcept
    {
        static constinit thread_local std::size_t last = 0;

        why = is_unsupported_.load(std::memory_order_relaxed) ? refusal::unavailable
                                                              : of_this_thread;
        if (why != refusal::none)
            return {};
        for (std::size_t i = 0; i < slots_count_; ++i) {
            const std::size_t number = (last + i) % slots_count_;
            std::unique_lock slot(slots_[number], std::try_to_lock);
            if (!slot)
                continue;
            // In a process that _Fork() or clone() made, without fork handlers, the parent's is lost.
            if (slots_[number].its != nullptr && !slots_[number].its->is_own())
                (void)slots_[number].its.release();
            if (slots_[number].its == nullptr && !make_ring(slots_[number], why, now))
                return {};
            last = number;
            return slot;
        }
        why = refusal::busy;
        return {};
    }

    bool make_ring(ring_slot& slot, refusal& why, bool now) noexcept
    {
        why = refusal::no_resources;
        if (!now && are_short_.load(std::memory_order_relaxed) &&
            batches_without_.fetch_add(1, std::memory_order_relaxed) % retry_interval !=
                0)
            return false;
        int error = ENOMEM;
        try {
            slot.its = try_to_make_ring();
            are_short_.store(false, std::memory_order_relaxed);
            was_made_.store(true, std::memory_order_release);
            return true;
        } catch (const std::system_error& e) {
            error = e.code().value();
            const std::lock_guard lock(mutex_);
            last_failure_ = e;
        } catch (const std::bad_alloc&) {
        }
        if (is_shortage(error)) {
            are_short_.store(true, std::memory_order_relaxed);
            return false;
        }
        why = refusal::unavailable;
        // What a filter says is this thread's; what else fails is the kernel's.
        if (error == EPERM || error == EACCES || error == ENOSYS)
            of_this_thread = why;
        else
            is_unsupported_.store(true, std::memory_order_relaxed);
        return false;
    }

    static std::unique_ptr<ring> try_to_make_ring()
    {
        auto made = std::make_unique<ring>(ring_entries, ring_flags);
        made->require_socket_operations();
        return made;
    }

    system_calls calls_;
    const std::size_t slots_count_ =
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, max_rings);
    std::array<ring_slot, max_rings> slots_;
    std::atomic<bool> was_made_ = false;       // a ring, once
    std::atomic<bool> is_unsupported_ = false; // the kernel lacks something
    std::atomic<bool> are_short_ = false;      // memory or descriptors
    std::atomic<unsigned> batches_without_ = 0;

    std::mutex mutex_;
    std::optional<std::system_error> last_failure_; // why there is none
};

} // namespace

std::unique_ptr<port_backend> make_uring_backend()
{
    return std::make_unique<uring_backend>();
}

} // namespace berth::detail
