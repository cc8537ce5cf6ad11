// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "port_probe.hpp"

#include <berth/detail/system_error.hpp>
#include <berth/find_port_owner.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <algorithm>
#include <array>
#include <system_error>
#include <thread>

// Where no system call tells who listens: by connecting to the loopback addresses. What is pending
// goes on from look to look, as a refusal may take its time (Windows: a second).

namespace berth {

namespace detail {

namespace {

using asio::ip::tcp;

class attempt {
public:
    attempt(asio::io_context& context, const tcp::endpoint& to)
        : socket_(context), to_(to)
    {
        start();
    }

    /// What the last connection to be answered was.
    [[nodiscard]] bool accepted() const noexcept { return last_ == answer::accepted; }
    [[nodiscard]] bool refused() const noexcept { return last_ == answer::refused; }

    void go_on()
    {
        if (!pending_)
            start();
    }

private:
    enum class answer { none, refused, accepted };

    void start()
    {
        pending_ = true;
        socket_.async_connect(to_, [this](std::error_code ec) {
            pending_ = false;
            last_ = meaning(as_system_error(ec));
            socket_.close(ec);
        });
    }

    [[nodiscard]] answer meaning(const std::error_code& ec) const
    {
        if (!ec) {
            // Where nobody listens the system may give the connection its own end for the other.
            std::error_code ignored;
            return socket_.local_endpoint(ignored) == to_ ? answer::none
                                                          : answer::accepted;
        }
        const bool nobody = ec == std::errc::connection_refused ||
                            ec == std::errc::address_not_available ||
                            ec == std::errc::address_family_not_supported ||
                            ec == std::errc::network_unreachable ||
                            ec == std::errc::host_unreachable;
        return nobody ? answer::refused : answer::none; // as for want of memory
    }

    tcp::socket socket_;
    tcp::endpoint to_;
    bool pending_ = false;
    answer last_ = answer::none;
};

} // namespace

struct port_probe::state {
    state(port_event event, std::uint16_t port)
        : what(event), attempts{
                           attempt(context, {asio::ip::address_v4::loopback(), port}),
                           attempt(context, {asio::ip::address_v6::loopback(), port})}
    {}

    static std::unique_ptr<state> make(port_event event, std::uint16_t port)
    {
        try {
            return std::make_unique<state>(event, port);
        } catch (const std::system_error& e) { // Asio's
            throw std::system_error(as_system_error(e.code()));
        }
    }

    const port_event what;
    asio::io_context context;
    std::array<attempt, 2> attempts;
};

port_probe::port_probe(port_event what, watched_port port, const wait_options& options)
    : state_(state::make(what, port.number()))
{
    if (what == port_event::listening && (options.child || options.process_tree))
        throw std::system_error(make_error_code(std::errc::not_supported));
}

port_probe::~port_probe() = default;

bool port_probe::look()
{
    state_->context.restart();
    state_->context.poll();
    const bool so = state_->what == port_event::listening
                        ? std::ranges::any_of(state_->attempts, &attempt::accepted)
                        : std::ranges::all_of(state_->attempts, &attempt::refused);
    for (attempt& one : state_->attempts)
        one.go_on();
    return so;
}

void port_probe::sleep(std::chrono::steady_clock::duration time)
{
    std::this_thread::sleep_for(time);
}

} // namespace detail

port_owner find_port_owner(std::uint16_t /*port*/, std::error_code& ec) noexcept
{
    ec = make_error_code(std::errc::not_supported);
    return {};
}

} // namespace berth
