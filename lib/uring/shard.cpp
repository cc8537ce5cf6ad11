// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "shard.hpp"

#include "compat.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace berth::detail {

namespace {

// SOCKET, IPV6_V6ONLY, BIND, SO_REUSEADDR, SO_REUSEPORT; with UDP CONNECT, SO_REUSEADDR.
constexpr unsigned longest_chain = 5;

constexpr unsigned ring_entries = 64;      // 16 KiB of locked memory
constexpr unsigned small_ring_entries = 8; // 8 KiB, where RLIMIT_MEMLOCK allows no more
static_assert(small_ring_entries >= longest_chain);

constexpr unsigned ring_flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL;

const int on = 1;
const int off = 0;

std::error_code system_error(int value) noexcept
{
    return {value, std::system_category()};
}

// The kernel allows as many direct descriptors as RLIMIT_NOFILE. For more than that liburing
// would raise the process's limit, which is not ours to change.
unsigned table_size() noexcept
{
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= shard::max_slots)
        return shard::max_slots;
    return static_cast<unsigned>(limit.rlim_cur);
}

ring make_ring(unsigned slots)
{
    try {
        return {ring_entries, ring_flags, slots};
    } catch (const std::system_error& e) {
        if (e.code() != std::errc::not_enough_memory)
            throw;
    }
    return {small_ring_entries, ring_flags, slots};
}

} // namespace

shard::shard(bool ipv6_only_by_default)
    : ipv6_only_by_default_(ipv6_only_by_default), slots_(table_size()),
      ring_(make_ring(slots_))
{
    ring_.require_socket_operations();
    if (slots_ < max_batch)
        throw std::system_error(EMFILE, std::system_category(),
                                "RLIMIT_NOFILE is below " + std::to_string(max_batch));
    for (auto* const slots : {&free_slots_, &dropped_, &closing_})
        slots->reserve(slots_);
    for (unsigned slot = slots_; slot-- > 0;)
        free_slots_.push_back(static_cast<std::uint16_t>(slot));
}

void shard::close_soon(unsigned slot) noexcept
{
    const std::lock_guard guard(dropping_);
    dropped_.push_back(static_cast<std::uint16_t>(slot)); // there is room for every slot
    any_dropped_.store(true, std::memory_order_relaxed);
}

bool shard::has_room(std::size_t slots) noexcept
{
    if (broken_)
        return false;
    if (free_slots_.size() < slots)
        close_dropped();
    return free_slots_.size() >= slots;
}

void shard::close_dropped() noexcept
{
    if (!any_dropped())
        return;
    queue_dropped();
    submit({});
}

// What was dropped goes to the kernel before what is queued next.
void shard::queue_dropped() noexcept
{
    if (!any_dropped())
        return;
    {
        const std::lock_guard guard(dropping_);
        closing_.swap(dropped_);
        any_dropped_.store(false, std::memory_order_relaxed);
    }
    for (const std::uint16_t slot : closing_) {
        if (ring_.room() == 0)
            submit({});
        queue_close(slot);
        free_slots_.push_back(slot);
    }
    closing_.clear();
}

std::error_code shard::run(std::span<allocation> batch) noexcept
{
    const std::span<attempt> attempts = std::span(attempts_).first(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
        attempts[i] = attempt();
        if (batch[i].is_lease()) {
            attempts[i].slot = free_slots_.back();
            free_slots_.pop_back();
        }
        attempts[i].step = batch[i].hunt.start();
    }
    queue_dropped();

    const auto pending = [&] {
        return std::ranges::any_of(attempts,
                                   [](const attempt& one) { return !one.answered; });
    };
    while (pending()) {
        for (std::size_t i = 0; i < batch.size(); ++i)
            advance(i, attempts, batch[i]);
        submit(attempts);
        for (std::size_t i = 0; i < batch.size(); ++i)
            learn(attempts[i], batch[i]);
    }
    const bool none =
        std::ranges::all_of(batch, [](const allocation& one) { return bool(one.ec); });
    return broken_ && none ? broken_ : std::error_code();
}

// The next step of one allocation.
void shard::advance(std::size_t number, std::span<attempt> attempts,
                    allocation& asked) noexcept
{
    attempt& one = attempts[number];
    if (one.answered)
        return;
    // A chain must not span two submissions.
    if (ring_.room() < longest_chain)
        submit(attempts);
    if (broken_)
        one.step = {0, broken_};
    if (one.step.port != 0)
        queue(number, one, asked);
    else
        give_up(one, asked);
}

// What is to be done next without waiting for an answer. It leaves exactly one completion, of its
// first failure or of its end.
void shard::queue(std::size_t number, attempt& one, const allocation& asked) noexcept
{
    const auto add = [&](stage reached, unsigned flags, auto&& prepare) {
        io_uring_sqe& request = ring_.next();
        prepare(request);
        request.flags |= static_cast<std::uint8_t>(flags);
        request.user_data = number << 8U | static_cast<std::uint8_t>(reached);
    };
    constexpr unsigned link = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
    const bool is_lease = asked.is_lease();
    one.address = socket_address(asked.address, one.step.port);
    one.waiting = true;

    if (!one.opened) {
        const int type = asked.is_udp() ? SOCK_DGRAM : SOCK_STREAM;
        const int family = one.address.family();
        if (!is_lease) {
            // A descriptor, whose number must be known before anything is done with it. By way of
            // a slot it would take FIXED_FD_INSTALL and CLOSE of the slot as well, which costs
            // more than another submission does.
            add(stage::open, 0, [&](io_uring_sqe& request) {
                ::io_uring_prep_socket(&request, family, type | SOCK_CLOEXEC, 0, 0);
            });
            return;
        }
        add(stage::open, link, [&](io_uring_sqe& request) {
            ::io_uring_prep_socket_direct(&request, family, type, 0, one.slot, 0);
        });
    }

    const socket_at socket =
        is_lease ? in_slot(one.slot) : socket_at{one.socket.get(), 0};
    if (ipv6_only_by_default_ != asked.ipv6_only && asked.address.is_v6() &&
        asked.address.is_unspecified())
        add(stage::finish, link, [&](io_uring_sqe& request) {
            prep_setsockopt(request, socket, IPPROTO_IPV6, IPV6_V6ONLY,
                            asked.ipv6_only ? on : off);
        });

    const bool opens = is_lease && asked.mode == lease_mode::open;
    const bool listens = asked.what == product::tcp_acceptor && asked.listen;
    const bool connects = asked.what == product::udp_lease;
    add(stage::bind, opens || listens || connects ? link : 0, [&](io_uring_sqe& request) {
        prep_bind(request, socket, one.address.data(), one.address.size());
    });
    if (connects) {
        one.peer = silent_peer(asked.address);
        add(stage::finish, opens ? link : 0, [&](io_uring_sqe& request) {
            prep_connect(request, socket, one.peer.data(), one.peer.size());
        });
    }
    if (opens) {
        // Only now that the port is ours: two sockets that were reusable before their bind
        // could both be given it.
        add(stage::finish, connects ? 0 : link, [&](io_uring_sqe& request) {
            prep_setsockopt(request, socket, SOL_SOCKET, SO_REUSEADDR, on);
        });
        // Never on UDP, where it would make the holder one of those among which datagrams are
        // shared out.
        if (!connects)
            add(stage::finish, 0, [&](io_uring_sqe& request) {
                prep_setsockopt(request, socket, SOL_SOCKET, SO_REUSEPORT, on);
            });
    }
    if (listens)
        add(stage::finish, 0,
            [&](io_uring_sqe& request) { prep_listen(request, socket, asked.backlog); });
}

void shard::queue_close(unsigned slot) noexcept
{
    if (broken_)
        return; // the kernel closes the slot with the ring, when the process ends
    io_uring_sqe& request = ring_.next();
    ::io_uring_prep_close_direct(&request, slot);
    request.flags |= IOSQE_CQE_SKIP_SUCCESS;
    request.user_data = static_cast<std::uint8_t>(stage::close);
}

void shard::submit(std::span<attempt> attempts) noexcept
{
    if (broken_)
        return; // what is still queued refers to memory that is gone
    std::error_code ec = ring_.submit();
    const auto note = [&](const io_uring_cqe& completion) {
        const auto reached = static_cast<stage>(completion.user_data & 0xffU);
        if (reached == stage::close)
            return;
        attempt& one = attempts[completion.user_data >> 8U];
        if (!one.waiting)
            return;
        one.reached = reached;
        one.result = completion.res;
        one.waiting = false;
    };

    for (const attempt& one : attempts) {
        while (one.waiting && !ec) {
            if (io_uring_cqe* const completion = ring_.wait(ec)) {
                note(*completion);
                ring_.seen(completion);
            }
        }
    }
    // A CLOSE that failed; and, of a submission that was taken in part, what was done.
    while (io_uring_cqe* const completion = ring_.peek()) {
        note(*completion);
        ring_.seen(completion);
    }
    if (!ec)
        return;
    broken_ = ec;
    for (attempt& one : attempts) {
        if (one.waiting) {
            one.reached = stage::finish;
            one.result = -ec.value();
            one.waiting = false;
        }
    }
}

void shard::learn(attempt& one, allocation& asked) noexcept
{
    if (one.answered)
        return;
    if (one.result < 0) {
        const std::error_code ec = system_error(-one.result);
        one.opened = one.reached != stage::open;
        try {
            one.step = one.reached == stage::bind ? asked.hunt.refused(one.step.port, ec)
                                                  : port_hunt::step{0, ec};
        } catch (const std::bad_alloc&) {
            one.step = {0, std::make_error_code(std::errc::not_enough_memory)};
        }
        return;
    }

    if (one.reached == stage::open) { // a descriptor; a slot's chain ends further on
        one.opened = true;
        one.socket = unique_socket(one.result);
        return;
    }
    one.answered = true;
    asked.port = one.step.port;
    asked.handle = one.slot;
    asked.socket = std::move(one.socket);
}

void shard::give_up(attempt& one, allocation& asked) noexcept
{
    one.answered = true;
    asked.ec = one.step.ec;
    one.socket = {};
    if (!asked.is_lease())
        return;
    if (one.opened)
        queue_close(one.slot);
    free_slots_.push_back(static_cast<std::uint16_t>(one.slot));
}

void shard::close(unsigned slot) noexcept
{
    queue_close(slot);
    submit({});
    free_slots_.push_back(static_cast<std::uint16_t>(slot));
}

std::error_code shard::set_mode(unsigned slot, bool udp, lease_mode mode) noexcept
{
    if (broken_)
        return broken_;
    const bool open = mode == lease_mode::open;
    const auto set = [&](int option, bool value) {
        prep_setsockopt(ring_.next(), in_slot(slot), SOL_SOCKET, option,
                        value ? on : off);
        return submit_single();
    };
    if (const int result = set(SO_REUSEADDR, open); result < 0)
        return system_error(-result);
    if (udp)
        return {};
    if (const int result = set(SO_REUSEPORT, open); result < 0) {
        (void)set(SO_REUSEADDR, !open);
        return system_error(-result);
    }
    return {};
}

unique_socket shard::install(unsigned slot, std::error_code& ec) noexcept
{
    ec = broken_;
    if (ec)
        return {};
    prep_install(ring_.next(), slot);
    const int result = submit_single();
    ec = result < 0 ? system_error(-result) : std::error_code();
    return result < 0 ? unique_socket() : unique_socket(result);
}

// The result of the one request that is queued, under number 0.
int shard::submit_single() noexcept
{
    attempt one;
    one.waiting = true;
    submit(std::span(&one, 1));
    return one.result;
}

} // namespace berth::detail
