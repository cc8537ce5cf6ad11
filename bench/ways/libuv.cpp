// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "kit/clock.hpp"
#include "way.hpp"

#include <uv.h>

#include <algorithm>
#include <span>

namespace bench {

namespace {

void check(int result, const char* call)
{
    if (result < 0)
        throw std::runtime_error(std::string(call) + ": " + ::uv_strerror(result));
}

class loop {
public:
    loop() { check(::uv_loop_init(&loop_), "uv_loop_init"); }
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;
    ~loop() { ::uv_loop_close(&loop_); }

    void allocate(uv_tcp_t& handle, goods what)
    {
        check(::uv_tcp_init(&loop_, &handle), "uv_tcp_init");
        sockaddr_in address;
        check(::uv_ip4_addr("127.0.0.1", 0, &address), "uv_ip4_addr");
        check(::uv_tcp_bind(&handle, reinterpret_cast<const sockaddr*>(&address), 0),
              "uv_tcp_bind");
        if (what == goods::acceptor)
            check(::uv_listen(reinterpret_cast<uv_stream_t*>(&handle), SOMAXCONN,
                              [](uv_stream_t*, int) {}),
                  "uv_listen");
        int size = sizeof(address);
        check(::uv_tcp_getsockname(&handle, reinterpret_cast<sockaddr*>(&address), &size),
              "uv_tcp_getsockname");
    }

    void close(uv_tcp_t& handle)
    {
        ::uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
    }

    // Once round: what was closed is then forgotten.
    void turn() { ::uv_run(&loop_, UV_RUN_NOWAIT); }

private:
    uv_loop_t loop_;
};

} // namespace

way libuv_way(goods what)
{
    return {"libuv", [what](const task& its) {
                on_threads(its, [&](std::size_t operations) {
                    loop uv;
                    std::vector<uv_tcp_t> handles(its.in_flight);
                    while (operations > 0) {
                        const std::size_t count = std::min(handles.size(), operations);
                        for (uv_tcp_t& handle : std::span(handles).first(count)) {
                            const std::uint64_t start = now();
                            uv.allocate(handle, what);
                            uv.close(handle);
                            if (its.latencies != nullptr)
                                its.latencies->add(now() - start);
                        }
                        uv.turn();
                        operations -= count;
                    }
                });
            }};
}

} // namespace bench
