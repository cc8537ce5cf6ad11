// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "original.hpp"
#include "talk.hpp"

#include <asio/io_context.hpp>

namespace load {

std::uint16_t find_unused_port_originally()
{
    asio::io_context context;
    asio::ip::tcp::acceptor acceptor(context, asio::ip::tcp::v4());
    acceptor.bind(loopback(0));
    return acceptor.local_endpoint().port();
}

asio::ip::tcp::acceptor bind_originally(const asio::any_io_executor& executor)
{
    asio::ip::tcp::acceptor acceptor(executor, asio::ip::tcp::v4());
    acceptor.bind(loopback(0));
    acceptor.listen();
    return acceptor;
}

} // namespace load
