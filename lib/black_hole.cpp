// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "full_backlog.hpp"

#include <berth/black_hole.hpp>
#include <berth/detail/request.hpp>

#include <utility>

namespace berth {

namespace detail {

request black_hole_answer::ask(const bind_options& options) noexcept
{
    bind_options listening = options;
    listening.listen = true;
    listening.backlog = 0; // to the kernel: one connection
    return {product::tcp_acceptor, listening};
}

black_hole black_hole_answer::take(request& answered, black_hole empty,
                                   std::error_code& ec) noexcept
{
    ec = answered.ec;
    if (ec)
        return empty;
    full_backlog full = fill_backlog(answered.socket.get(), ec);
    if (ec) {
        answered.socket = {};
        return empty;
    }
    black_hole made;
    made.endpoint_ = {*answered.addresses.begin(), full.port};
    made.filler_ = std::move(full.filler);
    made.listener_ = std::move(answered.socket);
    return made;
}

} // namespace detail

black_hole bind_black_hole(const bind_options& options, std::error_code& ec) noexcept
{
    detail::request asked = detail::black_hole_answer::ask(options);
    detail::allocate(asked);
    return detail::black_hole_answer::take(asked, {}, ec);
}

black_hole bind_black_hole(const bind_options& options)
{
    std::error_code ec;
    black_hole made = bind_black_hole(options, ec);
    if (ec)
        detail::throw_error(ec, "bind_black_hole",
                            detail::black_hole_answer::ask(options));
    return made;
}

} // namespace berth
