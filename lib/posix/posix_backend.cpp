// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../backend.hpp"
#include "../system.hpp"
#include "last_error.hpp"
#include "socket_address.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>

namespace berth::detail {

namespace {

std::error_code set_option(int socket, int level, int option, int value) noexcept
{
    if (::setsockopt(socket, level, option, &value, sizeof(value)) != 0)
        return last_error();
    return {};
}

/// The descriptors of the leases. The child of a fork must not keep a copy of them, with which
/// it would hold the ports after the parent has given them back; so they are written down where
/// the child can read them without a lock.
class lease_descriptors {
public:
    void add(int descriptor) noexcept
    {
        if (auto* const word = word_of(descriptor))
            word->fetch_or(bit_of(descriptor));
    }

    void remove(int descriptor) noexcept
    {
        if (auto* const word = word_of(descriptor))
            word->fetch_and(~bit_of(descriptor));
    }

    void close_all() noexcept
    {
        for (std::size_t i = 0; i < words_.size(); ++i) {
            if (words_[i].load() == 0)
                continue; // most pages are never written
            for (std::uint64_t left = words_[i].exchange(0); left != 0; left &= left - 1)
                ::close(static_cast<int>(i * bits + std::size_t(std::countr_zero(left))));
        }
    }

private:
    static constexpr std::size_t bits = 64;
    static constexpr std::size_t most = 1U << 20U; // fs.nr_open is no more, by default

    std::atomic<std::uint64_t>* word_of(int descriptor) noexcept
    {
        const auto index = static_cast<std::size_t>(descriptor);
        return index < most ? &words_[index / bits] : nullptr;
    }

    static std::uint64_t bit_of(int descriptor) noexcept
    {
        return std::uint64_t{1} << static_cast<unsigned>(descriptor) % bits;
    }

    std::array<std::atomic<std::uint64_t>, most / bits> words_ = {};
};

constinit lease_descriptors leases;

/// System calls, one by one. A lease's handle is its descriptor.
class posix_backend final : public port_backend {
public:
    std::error_code run(std::span<allocation> batch) noexcept override
    {
        for (allocation& one : batch) {
            try {
                one.ec = allocate(one);
            } catch (const std::bad_alloc&) {
                one.ec = std::make_error_code(std::errc::not_enough_memory);
            }
            if (one.ec) {
                give_up(one.socket.release());
            } else if (one.is_lease()) {
                one.handle = static_cast<std::uint32_t>(one.socket.release());
            }
        }
        return {};
    }

    void close(std::uint32_t handle) noexcept override
    {
        if (!disowned())
            give_up(static_cast<int>(handle));
    }

    std::error_code set_mode(std::uint32_t handle, holder_kind kind,
                             lease_mode mode) noexcept override
    {
        return set_reuse(static_cast<int>(handle), kind.udp, mode);
    }

    unique_socket duplicate(std::uint32_t handle, std::error_code& ec) noexcept override
    {
        unique_socket copy(::fcntl(static_cast<int>(handle), F_DUPFD_CLOEXEC, 0));
        ec = copy.get() == no_socket ? last_error() : std::error_code();
        return copy;
    }

    void disown() noexcept override
    {
        port_backend::disown();
        leases.close_all();
    }

private:
    static void give_up(int socket) noexcept
    {
        if (socket == no_socket)
            return;
        leases.remove(socket);
        close_socket(socket);
    }

    // One after the other: where the second fails the first is taken back. Never SO_REUSEPORT on
    // UDP, where it would make the holder one of those among which datagrams are shared out.
    static std::error_code set_reuse(int socket, bool udp, lease_mode mode) noexcept
    {
        const int value = mode == lease_mode::open ? 1 : 0;
        const auto failure = set_option(socket, SOL_SOCKET, SO_REUSEADDR, value);
        if (failure || udp)
            return failure;
        const auto ec = set_option(socket, SOL_SOCKET, SO_REUSEPORT, value);
        if (ec)
            (void)set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1 - value);
        return ec;
    }

    std::error_code allocate(allocation& one) const
    {
        const int type = one.is_udp() ? SOCK_DGRAM : SOCK_STREAM;
        const int family = one.address.is_v6() ? AF_INET6 : AF_INET;
        one.socket = unique_socket(::socket(family, type | SOCK_CLOEXEC, 0));
        const int socket = one.socket.get();
        if (socket == no_socket)
            return last_error();
        if (one.is_lease())
            leases.add(socket);

        if (ipv6_only_by_default_ != one.ipv6_only && one.address.is_v6() &&
            one.address.is_unspecified())
            if (const auto ec =
                    set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, one.ipv6_only ? 1 : 0))
                return ec;

        const auto step = one.hunt.search(
            [&](std::uint16_t port) { return bind_to(socket, one.address, port); });
        if (step.port == 0)
            return step.ec;
        one.port = step.port;

        if (one.what == product::udp_lease) {
            const socket_address nobody = silent_peer(one.address);
            if (::connect(socket, nobody.data(), nobody.size()) != 0)
                return last_error();
        }
        // Only now that the port is ours: two sockets that were reusable before their bind
        // could both be given it.
        if (one.is_lease() && one.mode == lease_mode::open)
            return set_reuse(socket, one.is_udp(), one.mode);
        if (one.what == product::tcp_acceptor && one.listen &&
            ::listen(socket, one.backlog) != 0)
            return last_error();
        return {};
    }

    const bool ipv6_only_by_default_ = ipv6_only_by_default();
};

} // namespace

std::unique_ptr<port_backend> make_system_backend()
{
    return std::make_unique<posix_backend>();
}

} // namespace berth::detail
