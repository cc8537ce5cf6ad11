// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../port_probe.hpp"

#include "../posix/last_error.hpp"
#include "processes.hpp"
#include "socket_table.hpp"

#include <berth/error.hpp>
#include <berth/find_port_owner.hpp>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

namespace berth {

namespace detail {

namespace {

/// Sees a process end, even before its parent has waited for it.
class process_watch {
public:
    explicit process_watch(std::optional<std::uint32_t> process)
    {
        if (!process)
            return;
        descriptor_ = unique_socket(
            static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(*process), 0)));
        if (descriptor_.get() == no_socket)
            throw std::system_error(errno == ESRCH ? make_error_code(error::process_ended)
                                                   : last_error(),
                                    "pidfd_open");
    }

    /// Waits so long for the end of the process; where there is none, it only sleeps.
    [[nodiscard]] bool ended(std::chrono::milliseconds within) const noexcept
    {
        pollfd process = {.fd = descriptor_.get(), .events = POLLIN, .revents = 0};
        return ::poll(&process, 1, static_cast<int>(within.count())) > 0;
    }

private:
    unique_socket descriptor_; // of a process, not a socket; closed likewise
};

// A listener may be handed on, and a process started, while they are looked through: who says
// no has to say so twice.
constexpr int looks = 2;

/// Whether each of the sockets is one of a process's among these.
possession have(const std::vector<std::uint32_t>& processes,
                const std::vector<tcp_socket>& sockets)
{
    for (const tcp_socket& socket : sockets) {
        possession has = possession::no;
        for (const std::uint32_t process : processes) {
            const possession one = has_socket(process, socket.inode);
            if (one != possession::no)
                has = one;
            if (one == possession::yes)
                break;
        }
        if (has != possession::yes)
            return has;
    }
    return possession::yes;
}

} // namespace

struct port_probe::state {
    state(port_event event, watched_port port, const wait_options& options)
        : what(event), watched(port), tree(options.process_tree),
          child(event == port_event::listening ? options.child : std::nullopt)
    {
        if (event == port_event::listening &&
            tree == 0U) // the parent of whatever has none here
            throw std::system_error(make_error_code(std::errc::invalid_argument));
    }

    [[nodiscard]] bool listening()
    {
        possession has = possession::yes;
        for (int i = 0; i < looks; ++i) {
            const auto listeners = table.listeners(watched.number());
            if (listeners.empty())
                return false;
            if (tree)
                has = tree_has(listeners);
            if (has == possession::yes)
                return true;
        }
        check_child(); // its end is the better reason
        throw std::system_error(has == possession::no
                                    ? make_error_code(error::wrong_owner)
                                    : make_error_code(std::errc::permission_denied));
    }

    [[nodiscard]] bool released()
    {
        const auto counts = [&](const tcp_socket& one) {
            return one.inode != 0 &&
                   !(watched.leased() && one.state == port_state::bound);
        };
        for (int i = 0; i < looks; ++i)
            if (std::ranges::any_of(table.all(watched.number()), counts))
                return false;
        return true;
    }

    // Most servers listen themselves; to know a tree takes a look at every process.
    [[nodiscard]] possession tree_has(const std::vector<tcp_socket>& sockets) const
    {
        const possession has = have({*tree}, sockets);
        return has == possession::yes ? has : have(process_tree(*tree), sockets);
    }

    void check_child(std::chrono::milliseconds within = {}) const
    {
        if (child.ended(within))
            throw std::system_error(error::process_ended);
    }

    const port_event what;
    const watched_port watched;
    const std::optional<std::uint32_t> tree;
    const process_watch child;
    socket_table table;
};

port_probe::port_probe(port_event what, watched_port port, const wait_options& options)
    : state_(std::make_unique<state>(what, port, options))
{}

port_probe::~port_probe() = default;

bool port_probe::look()
{
    const bool so =
        state_->what == port_event::listening ? state_->listening() : state_->released();
    state_->check_child(); // last: it was alive when the port was as it was seen
    return so;
}

void port_probe::sleep(std::chrono::steady_clock::duration time)
{
    state_->check_child(std::chrono::ceil<std::chrono::milliseconds>(time));
}

} // namespace detail

port_owner find_port_owner(std::uint16_t port, std::error_code& ec) noexcept
{
    using namespace detail;
    ec.clear();
    if (port == 0) { // to the kernel it means every port
        ec = make_error_code(std::errc::invalid_argument);
        return {};
    }
    try {
        const auto telling = [](const tcp_socket& socket) {
            return std::pair(socket.state, socket.inode != 0);
        };
        const auto sockets = socket_table().all(port);
        const auto most = std::ranges::max_element(sockets, {}, telling);
        if (most == sockets.end())
            return {};
        port_owner found{.state = most->state,
                         .process = most->inode != 0 ? socket_holder(most->inode) : 0,
                         .name = {}};
        if (found.process != 0)
            found.name = process_name(found.process);
        return found;
    } catch (const std::system_error& e) {
        ec = e.code();
    } catch (const std::bad_alloc&) {
        ec = make_error_code(std::errc::not_enough_memory);
    }
    return {};
}

} // namespace berth
