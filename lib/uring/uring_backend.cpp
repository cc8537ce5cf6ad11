// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../backend.hpp"
#include "../system.hpp"
#include "shard.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

namespace berth::detail {

namespace {

constexpr unsigned slot_bits = 12;
constexpr unsigned slot_mask = (1U << slot_bits) - 1;
static_assert(shard::max_slots == 1U << slot_bits);

constexpr std::size_t max_shards = 64;

/// One submission for many requests, on as many shards as threads allocate at once, or as the
/// leases held need. A lease's handle is the shard's number and the slot in its table.
class uring_backend final : public port_backend {
public:
    uring_backend() { grow(0); }

    ~uring_backend() override
    {
        for (std::size_t i = 0; i < count_; ++i)
            delete shards_[i].load();
    }

    std::error_code run(std::span<allocation> batch) noexcept override
    {
        // A filter that came later (seccomp) forbids what was allowed: another ring would only be
        // refused as well.
        std::error_code ec(refused_.load(), std::system_category());
        if (ec)
            return ec;
        const auto leases = std::ranges::count_if(batch, &allocation::is_lease);
        const auto [number, lock] = acquire(static_cast<std::size_t>(leases), ec);
        if (ec)
            return ec;
        ec = shard_at(number).run(batch);
        if (const std::error_code broken = shard_at(number).broken())
            refused_.store(broken.value());
        for (allocation& one : batch)
            if (!one.ec && one.is_lease())
                one.handle |= static_cast<std::uint32_t>(number << slot_bits);
        return ec;
    }

    void close(std::uint32_t handle) noexcept override
    {
        // The child of a fork shares the parent's table.
        if (disowned())
            return;
        shard& holder = shard_at(handle >> slot_bits);
        const std::lock_guard lock(holder.mutex());
        holder.close(handle & slot_mask);
    }

    void close_soon(std::uint32_t handle) noexcept override
    {
        shard_at(handle >> slot_bits).close_soon(handle & slot_mask);
    }

    void close_dropped() noexcept override
    {
        const std::size_t count = count_.load();
        for (std::size_t i = 0; i < count; ++i)
            if (shard_at(i).any_dropped())
                close_dropped(shard_at(i));
    }

    void close_all_dropped() noexcept override
    {
        // Who holds the mutex of a shard may be on the way to the kernel with what was dropped.
        const std::size_t count = count_.load();
        for (std::size_t i = 0; i < count; ++i)
            close_dropped(shard_at(i));
    }

    std::error_code set_mode(std::uint32_t handle, holder_kind kind,
                             lease_mode mode) noexcept override
    {
        shard& holder = shard_at(handle >> slot_bits);
        const std::lock_guard lock(holder.mutex());
        return holder.set_mode(handle & slot_mask, kind.udp, mode);
    }

    unique_socket duplicate(std::uint32_t handle, std::error_code& ec) noexcept override
    {
        shard& holder = shard_at(handle >> slot_bits);
        const std::lock_guard lock(holder.mutex());
        return holder.install(handle & slot_mask, ec);
    }

    void disown() noexcept override
    {
        port_backend::disown();
        for (std::size_t i = 0; i < count_; ++i)
            shard_at(i).disown();
    }

private:
    static void close_dropped(shard& holder) noexcept
    {
        const std::lock_guard lock(holder.mutex());
        holder.close_dropped();
    }

    [[nodiscard]] shard& shard_at(std::size_t number) noexcept
    {
        return *shards_[number].load();
    }

    struct held_shard {
        std::size_t number = 0;
        std::unique_lock<std::mutex> lock;
    };

    // A locked shard with room for so many leases: the one that this thread had last, another
    // that is idle, a new one; and only then one to wait for.
    held_shard acquire(std::size_t slots, std::error_code& ec) noexcept
    {
        static thread_local struct {
            const uring_backend* of = nullptr;
            std::size_t number = 0;
        } last;

        const auto found = [&](std::size_t number, std::unique_lock<std::mutex> lock) {
            last = {this, number};
            return held_shard{number, std::move(lock)};
        };
        const std::size_t first = last.of == this ? last.number : 0;
        const std::size_t count = count_.load();

        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t number = (first + i) % count;
            std::unique_lock lock(shard_at(number).mutex(), std::try_to_lock);
            if (lock && shard_at(number).has_room(slots))
                return found(number, std::move(lock));
        }
        if (count < concurrency_)
            (void)try_grow(count);
        for (;;) {
            const std::size_t known = count_.load();
            for (std::size_t i = 0; i < known; ++i) {
                // The newest first: it is the likeliest to have room.
                const std::size_t number = known - 1 - i;
                std::unique_lock lock(shard_at(number).mutex());
                if (shard_at(number).has_room(slots))
                    return found(number, std::move(lock));
            }
            ec = try_grow(known);
            if (ec)
                return {};
        }
    }

    // Adds a shard, unless another thread has done so since there were `known`.
    void grow(std::size_t known)
    {
        const std::lock_guard lock(growing_);
        if (count_ != known)
            return;
        if (known == max_shards)
            throw std::system_error(ENFILE, std::system_category());
        shards_[known] = new shard(ipv6_only_by_default_);
        ++count_;
    }

    std::error_code try_grow(std::size_t known) noexcept
    {
        try {
            grow(known);
            return {};
        } catch (const std::system_error& e) {
            return e.code();
        } catch (const std::bad_alloc&) {
            return std::make_error_code(std::errc::not_enough_memory);
        }
    }

    const unsigned concurrency_ = std::thread::hardware_concurrency(); // asks the system
    const bool ipv6_only_by_default_ = ipv6_only_by_default();
    std::array<std::atomic<shard*>, max_shards> shards_ = {};
    std::atomic<std::size_t> count_ = 0;
    std::mutex growing_;
    std::atomic<int> refused_ = 0; // errno of a submission that the kernel did not take
};

} // namespace

std::unique_ptr<port_backend> make_uring_backend()
{
    return std::make_unique<uring_backend>();
}

} // namespace berth::detail
