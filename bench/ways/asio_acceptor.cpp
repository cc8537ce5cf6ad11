// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "way.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

namespace bench {

namespace {

void allocate(asio::io_context& context, goods what)
{
    asio::ip::tcp::acceptor acceptor(context, asio::ip::tcp::v4());
    acceptor.bind({asio::ip::address_v4::loopback(), 0});
    if (what == goods::acceptor)
        acceptor.listen();
    (void)acceptor.local_endpoint();
}

} // namespace

way asio_way(goods what)
{
    return {"Asio", [what](const task& its) {
                asio::io_context context;
                one_by_one(its, [&] { allocate(context, what); });
            }};
}

} // namespace bench
