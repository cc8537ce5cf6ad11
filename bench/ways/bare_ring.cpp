// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "kit/clock.hpp"
#include "way.hpp"

#include <berth/port_range.hpp>

#include <liburing.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <system_error>

// What the kernel can do at best: the very requests that berth makes for an open lease on every
// address, on the same candidates in the same kind of order, without anything around them.

namespace bench {

namespace {

// Of 8, 16, 32 and 64 chains in a submission 32 cost the least, 8 a tenth more.
constexpr unsigned max_batch = 32;
constexpr unsigned requests_each =
    5; // CLOSE of the one before, SOCKET, BIND, two options

constexpr int op_uring_cmd = 46;
constexpr int op_bind = 56;
constexpr std::uint64_t command_setsockopt = 3;

int check(int result, const char* call)
{
    if (result < 0)
        throw std::system_error(-result, std::system_category(), call);
    return result;
}

// The odd ports and then the even ones, each shuffled; over and over.
class candidates {
public:
    candidates()
    {
        const berth::port_range range = berth::port_range::system_ephemeral();
        for (const unsigned odd : {1U, 0U}) {
            const auto first = static_cast<std::ptrdiff_t>(ports_.size());
            for (unsigned port = range.first; port <= range.last; ++port)
                if (port % 2 == odd)
                    ports_.push_back(static_cast<std::uint16_t>(port));
            std::shuffle(ports_.begin() + first, ports_.end(), std::minstd_rand(1));
        }
    }

    std::uint16_t next()
    {
        at_ = at_ + 1 < ports_.size() ? at_ + 1 : 0;
        return ports_[at_];
    }

private:
    std::vector<std::uint16_t> ports_;
    std::size_t at_ = 0;
};

class bare_ring {
public:
    bare_ring()
    {
        const int result =
            ::io_uring_queue_init(std::bit_ceil(max_batch * requests_each), &ring_,
                                  IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL);
        if (result < 0)
            throw not_possible_here("bare ring: " +
                                    std::system_category().message(-result));
        check(::io_uring_register_files_sparse(&ring_, max_batch), "io_uring_register");
    }

    bare_ring(const bare_ring&) = delete;
    bare_ring& operator=(const bare_ring&) = delete;

    ~bare_ring()
    {
        for (unsigned slot = 0; slot < max_batch; ++slot)
            if (held_[slot])
                close(slot);
        ::io_uring_submit(&ring_);
        ::io_uring_queue_exit(&ring_);
    }

    // Drops what is held and takes as many again; returns how many it was given.
    unsigned turn(unsigned count)
    {
        for (unsigned slot = 0; slot < count; ++slot)
            take(slot);
        check(::io_uring_submit(&ring_), "io_uring_enter");

        // All of it ran within the submission; a chain leaves one completion.
        std::array<io_uring_cqe*, max_batch> completions;
        const unsigned there =
            ::io_uring_peek_batch_cqe(&ring_, completions.data(), count);
        unsigned given = 0;
        for (unsigned i = 0; i < there; ++i)
            if (completions[i]->res != -EADDRINUSE) {
                check(completions[i]->res, "io_uring request");
                ++given;
            }
        ::io_uring_cq_advance(&ring_, there);
        return given;
    }

private:
    void close(unsigned slot)
    {
        io_uring_sqe* const request = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_close_direct(request, slot);
        request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    }

    void take(unsigned slot)
    {
        constexpr unsigned link = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
        if (held_[slot])
            close(slot);
        held_[slot] = true;

        io_uring_sqe* request = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_socket_direct(request, AF_INET6, SOCK_STREAM, 0, slot, 0);
        request->flags |= link;

        sockaddr_in6& address = addresses_[slot];
        address = {};
        address.sin6_family = AF_INET6;
        address.sin6_port = ::htons(candidates_.next());
        request = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_rw(op_bind, request, static_cast<int>(slot), &address, 0,
                           sizeof(address));
        request->flags |= IOSQE_FIXED_FILE | link;

        set_option(slot, SO_REUSEADDR, IOSQE_FIXED_FILE | link);
        set_option(slot, SO_REUSEPORT, IOSQE_FIXED_FILE);
    }

    void set_option(unsigned slot, int option, unsigned flags)
    {
        static const int on = 1;
        io_uring_sqe* const request = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_rw(op_uring_cmd, request, static_cast<int>(slot), nullptr, 0,
                           command_setsockopt);
        const std::uint32_t names[] = {SOL_SOCKET, static_cast<std::uint32_t>(option)};
        std::memcpy(&request->addr, names, sizeof(names));
        request->file_index = sizeof(on);
        const auto value = reinterpret_cast<std::uintptr_t>(&on);
        std::memcpy(&request->addr3, &value, sizeof(value));
        request->flags |= static_cast<std::uint8_t>(flags);
    }

    io_uring ring_ = {};
    candidates candidates_;
    std::array<sockaddr_in6, max_batch> addresses_ = {};
    std::array<bool, max_batch> held_ = {};
};

// A ring for each thread, made at its first run and kept from round to round.
class bare_rings {
public:
    bare_rings() { const bare_ring allowed_at_all; }

    void run(const task& its)
    {
        const unsigned batch = std::min(its.in_flight, max_batch);
        on_threads(its, [&](std::size_t operations) {
            std::unique_ptr<bare_ring> ring = take();
            while (operations > 0) {
                const std::uint64_t start = now();
                const unsigned given = ring->turn(
                    static_cast<unsigned>(std::min<std::size_t>(operations, batch)));
                if (its.latencies != nullptr)
                    its.latencies->add(now() - start, given);
                operations -= given;
            }
            give_back(std::move(ring));
        });
    }

private:
    std::unique_ptr<bare_ring> take()
    {
        const std::lock_guard lock(mutex_);
        if (idle_.empty())
            return std::make_unique<bare_ring>();
        std::unique_ptr<bare_ring> last = std::move(idle_.back());
        idle_.pop_back();
        return last;
    }

    void give_back(std::unique_ptr<bare_ring> ring)
    {
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(ring));
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<bare_ring>> idle_;
};

} // namespace

way bare_ring_way(goods what)
{
    if (what != goods::number)
        throw not_possible_here("bare ring: it is written for numbers only");
    return {"bare ring", [rings = std::make_shared<bare_rings>()](const task& its) {
                rings->run(its);
            }};
}

} // namespace bench
