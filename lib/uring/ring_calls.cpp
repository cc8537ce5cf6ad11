// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "ring_calls.hpp"

#include "../posix/socket_address.hpp"
#include "compat.hpp"

#include <array>
#include <bitset>

namespace berth::detail {

namespace {

std::error_code as_error(int result) noexcept
{
    return result < 0 ? std::error_code(-result, std::system_category())
                      : std::error_code();
}

} // namespace

// Submits `count` requests, each filled by `prepare(request, number)`, and passes their results to
// `note(number, result)`. After a failure of the ring some have none.
template <class Prepare, class Note>
void ring_calls::run(std::size_t count, Prepare&& prepare, Note&& note) noexcept
{
    std::size_t waiting = 0;
    const auto take = [&](io_uring_cqe& cqe) {
        note(cqe.user_data, cqe.res);
        ring_.seen(&cqe);
        --waiting;
    };
    for (std::size_t next = 0; next < count && !failure_;) {
        for (; next < count && ring_.room() != 0; ++next, ++waiting) {
            io_uring_sqe& request = ring_.next();
            prepare(request, next);
            request.user_data = next;
        }
        failure_ = ring_.submit();
        while (waiting != 0 && !failure_)
            if (io_uring_cqe* const cqe = ring_.wait(failure_))
                take(*cqe);
        // Of a submission that was taken in part, what was done.
        while (io_uring_cqe* const cqe = ring_.peek())
            take(*cqe);
    }
}

void ring_calls::open(std::span<allocation> batch) noexcept
{
    run(
        batch.size(),
        [&](io_uring_sqe& request, std::size_t number) {
            const socket_spec& spec = batch[number].spec;
            ::io_uring_prep_socket(&request, spec.address.is_v6() ? AF_INET6 : AF_INET,
                                   (spec.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
                                   0, 0);
        },
        [&](std::size_t number, int result) {
            batch[number].ec = as_error(result);
            if (result >= 0)
                batch[number].socket = unique_socket(result);
        });
    if (failure_)
        for (allocation& one : batch)
            if (!one.ec && one.socket.get() == no_socket)
                system_calls::open(one);
}

void ring_calls::bind(std::span<allocation* const> tries) noexcept
{
    std::array<socket_address, max_batch> addresses; // until they are submitted
    std::bitset<max_batch> done;
    run(
        tries.size(),
        [&](io_uring_sqe& request, std::size_t number) {
            const allocation& one = *tries[number];
            addresses[number] = socket_address(one.spec.address, one.hunt.current());
            prep_bind(request, one.socket.get(), addresses[number].data(),
                      addresses[number].size());
        },
        [&](std::size_t number, int result) {
            tries[number]->said = as_error(result);
            done.set(number);
        });
    if (failure_)
        for (std::size_t i = 0; i < tries.size(); ++i)
            if (!done.test(i))
                system_calls::bind(*tries[i]);
}

} // namespace berth::detail
