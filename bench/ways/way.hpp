// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "kit/histogram.hpp"

#include <berth/backend.hpp>

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// What is got, and given back at once.
enum class goods {
    number,  ///< A port number that was unused.
    acceptor ///< A listening socket.
};

[[nodiscard]] std::string to_string(goods what);

struct task {
    std::size_t operations = 1;
    unsigned in_flight = 1; ///< For ways that can have more than one under way.
    unsigned threads = 1;
    histogram* latencies = nullptr; ///< Where given, each operation is timed as well.
};

/// One way to get such goods. It runs the task to its end.
struct way {
    std::string name;
    std::function<void(const task&)> run;
    bool elsewhere = false; ///< In another process, whose costs are not seen here.
};

/// Thrown by what this machine, or this user, does not allow.
class not_possible_here : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Each may throw not_possible_here.

/// `co_await`, on an io_context that all threads run.
[[nodiscard]] way berth_way(goods what,
                            berth::backend through = berth::backend::automatic);

/// The same, with an io_context for each thread.
[[nodiscard]] way berth_on_own_contexts(goods what);

/// CPython's bind_port() and find_unused_port(), call by call, in C++: socket, bind to port 0,
/// getsockname, close. What it finds is not held.
[[nodiscard]] way original_way(goods what);

/// Asio's acceptor: open, bind to port 0, listen, local_endpoint, close.
[[nodiscard]] way asio_way(goods what);

/// uv_tcp_t: init, bind to port 0, listen, getsockname, close.
[[nodiscard]] way libuv_way(goods what);

/// The requests that berth makes of io_uring for a batch, with nothing around them.
[[nodiscard]] way bare_ring_way(goods what);

/// The system calls that berth makes for a lease, with nothing around them; on one thread.
[[nodiscard]] way bare_calls_way();

/// The original itself, in a Python of its own.
[[nodiscard]] way python_way(goods what);

/// Something that makes a way when it is called.
struct way_maker {
    std::string name;
    std::function<way(goods)> make;
};

[[nodiscard]] const std::vector<way_maker>& way_makers();

[[nodiscard]] way make_way(const std::string& name, goods what);

/// The names of those that can be made here; for the others `skip` is told why.
[[nodiscard]] std::vector<std::string>
possible_ways(goods what, const std::function<void(std::string)>& skip);

/// Splits the operations among the task's threads, this one being the first.
void on_threads(const task& its, const std::function<void(std::size_t operations)>& work);

/// Runs one operation after the other on each of the threads.
void one_by_one(const task& its, const std::function<void()>& operation);

} // namespace bench
