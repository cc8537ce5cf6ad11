// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "candidates.hpp"
#include "kit/check.hpp"
#include "kit/clock.hpp"
#include "way.hpp"

#include <liburing.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>

// What the kernel can do at best: the very requests that berth makes, on the same candidates in
// the same kind of order, without anything around them. For a number the holder of an open lease
// on every address, for an acceptor what Asio then asks of epoll as well.

namespace bench {

namespace {

// Of 8, 16, 32 and 64 chains in a submission 32 cost the least, 8 a tenth more.
constexpr unsigned max_batch = 32;
constexpr unsigned requests_each =
    5; // CLOSE of the one before, SOCKET, BIND, two options
constexpr unsigned link = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;

constexpr int op_uring_cmd = 46;
constexpr int op_bind = 56;
constexpr int op_listen = 57;
constexpr std::uint64_t command_setsockopt = 3;

// liburing and the ring itself answer with a negative errno.
int check_ring(int result, const char* call)
{
    if (result < 0)
        throw std::system_error(-result, std::system_category(), call);
    return result;
}

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
        check_ring(::io_uring_register_files_sparse(&ring_, max_batch),
                   "io_uring_register");
        epoll_ = check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
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
        ::close(epoll_);
    }

    // Drops what is held and takes as many numbers again; returns how many it was given.
    unsigned take_numbers(unsigned count)
    {
        for (unsigned slot = 0; slot < count; ++slot)
            take(slot);
        unsigned given = 0;
        submit([&](const io_uring_cqe& done) {
            if (done.res != -EADDRINUSE) {
                check_ring(done.res, "io_uring request");
                ++given;
            }
        });
        return given;
    }

    // Takes so many acceptors and closes them; returns how many it was given.
    unsigned take_acceptors(unsigned count)
    {
        for (unsigned i = 0; i < count; ++i)
            ::io_uring_prep_socket(::io_uring_get_sqe(&ring_), AF_INET,
                                   SOCK_STREAM | SOCK_CLOEXEC, 0, 0);
        std::array<int, max_batch> sockets;
        unsigned opened = 0;
        submit([&](const io_uring_cqe& done) {
            sockets[opened++] = check_ring(done.res, "IORING_OP_SOCKET");
        });

        for (unsigned i = 0; i < opened; ++i)
            bind_and_listen(i, sockets[i]);
        std::array<int, max_batch> listening;
        unsigned given = 0;
        submit([&](const io_uring_cqe& done) {
            if (done.res == 0)
                listening[given++] = sockets[done.user_data];
        });

        for (unsigned i = 0; i < given; ++i) {
            epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {}};
            check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, listening[i], &event), "epoll_ctl");
            check(::epoll_ctl(epoll_, EPOLL_CTL_DEL, listening[i], &event), "epoll_ctl");
        }
        for (unsigned i = 0; i < opened; ++i)
            ::close(sockets[i]);
        return given;
    }

private:
    // Everything here runs within the submission; a chain leaves one completion.
    template <class Note>
    void submit(Note&& note)
    {
        check_ring(::io_uring_submit(&ring_), "io_uring_enter");
        std::array<io_uring_cqe*, max_batch> completions;
        const unsigned there =
            ::io_uring_peek_batch_cqe(&ring_, completions.data(), max_batch);
        for (unsigned i = 0; i < there; ++i)
            note(*completions[i]);
        ::io_uring_cq_advance(&ring_, there);
    }

    void bind_and_listen(unsigned number, int socket)
    {
        sockaddr_in& address = v4_addresses_[number];
        address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        address.sin_port = ::htons(candidates_.next());
        io_uring_sqe* request = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_rw(op_bind, request, socket, &address, 0, sizeof(address));
        request->flags |= link;
        request->user_data = number;
        request = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_rw(op_listen, request, socket, nullptr, SOMAXCONN, 0);
        request->user_data = number;
    }

    void close(unsigned slot)
    {
        io_uring_sqe* const request = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_close_direct(request, slot);
        request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    }

    void take(unsigned slot)
    {
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
    int epoll_ = -1;
    candidates candidates_;
    std::array<sockaddr_in, max_batch> v4_addresses_ = {};
    std::array<sockaddr_in6, max_batch> addresses_ = {};
    std::array<bool, max_batch> held_ = {};
};

// A ring for each thread, made at its first run and kept from round to round.
class bare_rings {
public:
    bare_rings() { const bare_ring allowed_at_all; }

    void run(goods what, const task& its)
    {
        const unsigned batch = std::min(its.in_flight, max_batch);
        on_threads(its, [&](std::size_t operations) {
            std::unique_ptr<bare_ring> ring = take();
            while (operations > 0) {
                const std::uint64_t start = now();
                const auto count =
                    static_cast<unsigned>(std::min<std::size_t>(operations, batch));
                const unsigned given = what == goods::number
                                           ? ring->take_numbers(count)
                                           : ring->take_acceptors(count);
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
    return {"bare ring", [what, rings = std::make_shared<bare_rings>()](const task& its) {
                rings->run(what, its);
            }};
}

} // namespace bench
