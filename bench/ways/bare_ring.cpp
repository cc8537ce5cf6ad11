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
#include <cerrno>
#include <memory>
#include <mutex>
#include <system_error>

// The requests that berth makes for a batch, on the same kind of candidates, with nothing around
// them: what the kernel can do at best. For a number the holder of an open lease on every address,
// for an acceptor also what Asio asks of epoll.

namespace bench {

namespace {

// Of 8, 16, 32 and 64 sockets in a submission, 64 cost a twentieth more than 32, for so many leave
// the processor's caches. 8 cost a tenth more where a system call is dear.
constexpr unsigned max_batch = 32;
constexpr int op_bind = 56; // liburing 2.3 does not name it

// liburing and the ring itself answer with a negative errno.
int check_ring(int result, const char* call)
{
    if (result < 0)
        throw std::system_error(-result, std::system_category(), call);
    return result;
}

class bare_ring {
public:
    explicit bare_ring(unsigned seed) : candidates_(seed)
    {
        const int result = ::io_uring_queue_init(
            max_batch, &ring_, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL);
        if (result < 0)
            throw not_possible_here("bare ring: " +
                                    std::system_category().message(-result));
        epoll_ = check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    }

    bare_ring(const bare_ring&) = delete;
    bare_ring& operator=(const bare_ring&) = delete;

    ~bare_ring()
    {
        ::io_uring_queue_exit(&ring_);
        ::close(epoll_);
    }

    // Takes so many numbers and drops them; returns how many it was given.
    unsigned take_numbers(unsigned count)
    {
        const auto sockets = open(AF_INET6, count);
        (void)is_ipv6_only(sockets[0]); // and would set it where one of them is
        (void)is_ipv6_only(sockets[count - 1]);
        sockaddr_in6 address = {};
        address.sin6_family = AF_INET6;
        const unsigned given =
            bind(sockets, count, address, &address.sin6_port, [](int socket) {
                set_option(socket, SO_REUSEADDR);
                set_option(socket, SO_REUSEPORT);
            });
        close(sockets, count);
        return given;
    }

    // Takes so many acceptors and closes them; returns how many it was given.
    unsigned take_acceptors(unsigned count)
    {
        const auto sockets = open(AF_INET, count);
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        const unsigned given =
            bind(sockets, count, address, &address.sin_port, [this](int socket) {
                check(::listen(socket, SOMAXCONN), "listen");
                epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {}};
                check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
                check(::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, &event), "epoll_ctl");
            });
        close(sockets, count);
        return given;
    }

private:
    using batch = std::array<int, max_batch>;

    batch open(int family, unsigned count)
    {
        for (unsigned i = 0; i < count; ++i)
            ::io_uring_prep_socket(::io_uring_get_sqe(&ring_), family,
                                   SOCK_STREAM | SOCK_CLOEXEC, 0, 0);
        batch sockets = {};
        unsigned opened = 0;
        submit(count, [&](const io_uring_cqe& done) {
            sockets[opened++] = check_ring(done.res, "IORING_OP_SOCKET");
        });
        return sockets;
    }

    static void close(const batch& sockets, unsigned count)
    {
        for (unsigned i = 0; i < count; ++i)
            ::close(sockets[i]);
    }

    // Binds each to its next candidate, and passes those that are bound to `finish`; returns how many.
    template <class Address, class Finish>
    unsigned bind(const batch& sockets, unsigned count, Address& address, in_port_t* port,
                  Finish&& finish)
    {
        std::array<Address, max_batch> addresses;
        for (unsigned i = 0; i < count; ++i) {
            *port = ::htons(candidates_.next());
            addresses[i] = address;
            io_uring_sqe* const request = ::io_uring_get_sqe(&ring_);
            ::io_uring_prep_rw(op_bind, request, sockets[i], &addresses[i], 0,
                               sizeof(address));
            request->user_data = i;
        }
        unsigned given = 0;
        submit(count, [&](const io_uring_cqe& done) {
            if (done.res == -EADDRINUSE)
                return;
            check_ring(done.res, "IORING_OP_BIND");
            finish(sockets[done.user_data]);
            ++given;
        });
        return given;
    }

    template <class Note>
    void submit(unsigned count, Note&& note)
    {
        check_ring(::io_uring_submit_and_wait(&ring_, count), "io_uring_enter");
        std::array<io_uring_cqe*, max_batch> completions;
        const unsigned there =
            ::io_uring_peek_batch_cqe(&ring_, completions.data(), max_batch);
        for (unsigned i = 0; i < there; ++i)
            note(*completions[i]);
        ::io_uring_cq_advance(&ring_, there);
    }

    static bool is_ipv6_only(int socket)
    {
        int value = 0;
        socklen_t size = sizeof(value);
        check(::getsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &value, &size),
              "getsockopt");
        return value != 0;
    }

    static void set_option(int socket, int option)
    {
        constexpr int on = 1;
        check(::setsockopt(socket, SOL_SOCKET, option, &on, sizeof(on)), "setsockopt");
    }

    io_uring ring_ = {};
    int epoll_ = -1;
    candidates candidates_;
};

// A ring for each thread, made at its first run and kept from round to round.
class bare_rings {
public:
    bare_rings() { const bare_ring allowed_at_all(0); }

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
            return std::make_unique<bare_ring>(++made_);
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
    unsigned made_ = 0;
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
