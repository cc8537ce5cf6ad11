// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/port_range.hpp>

#include <asio/ip/address.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <utility>

// What all processes of the soak share: who has which port by his own account, what was done, and
// what was wrong.

namespace berth::soak {

using generator = std::mt19937;

/// From 0 to `below` - 1.
[[nodiscard]] inline unsigned pick(generator& chance, unsigned below)
{
    return std::uniform_int_distribution<unsigned>(0, below - 1)(chance);
}

/// True once in `times`.
[[nodiscard]] inline bool once_in(generator& chance, unsigned times)
{
    return pick(chance, times) == 0;
}

/// The ephemeral range of the soak's network: so narrow that it runs out, and with ports in it that
/// browsers block (6566, 6665-6669, 6679, 6697).
inline constexpr port_range narrow = {6500, 6819};

/// A range so wide that most of its ports are free.
inline constexpr port_range wide = {20000, 21999};

/// A set of cells. A port has a cell for each transport and each address that is bound here; who
/// binds a wildcard has those of all the addresses that it covers. Two sockets exclude each other
/// where they share a cell.
using cells = std::uint8_t;

inline constexpr std::size_t cells_of_port = 6;
inline constexpr cells tcp_cells = 0b000'111;
inline constexpr cells udp_cells = 0b111'000;

/// The cells of 127.0.0.1, 127.0.0.2, ::1 or a wildcard.
[[nodiscard]] cells cells_of(const asio::ip::address& address, bool ipv6_only, bool udp);

/// How a port is held, and so with whom it may be shared.
enum class hold : std::uint8_t {
    open = 1,
    sealed,
    sealed_again, ///< It was open before: the kernel may remember a server's SO_REUSEPORT.
    bound,        ///< A socket without reuse options.
};

/// What is counted beside the actions of the agents.
enum class counter : std::uint8_t {
    dead_ports,
    thefts, ///< of which the report handler was told
    leaks,  ///< likewise
    leaks_meant,
    releases,
    moves,
    drops,
    cancellations, ///< that came in time
    late_cancellations,
    served,    ///< connections through an acceptor of berth's
    granted,   ///< ports
    exhausted, ///< requests that failed for it
    waits,     ///< requests with `wait`
    waits_in_vain,
    refused, ///< candidates, by process_counters() of the processes that ended
    contexts,
    contexts_stopped, ///< destroyed with operations pending
    processes,        ///< that ended by themselves
    kills,
    foreign_binds,
    foreign_connects,
    foreign_refused,
    foreign_shared, ///< binds of an open lease's port
    count_,
};

/// Fixed arrays of atomics in memory that forked processes share.
class ledger {
public:
    static constexpr std::size_t max_slots = 128;
    static constexpr std::size_t max_agents = 8;
    static constexpr std::size_t max_actions = 16;

    /// In shared memory, which lasts as long as the process.
    static ledger& make();

    // --- the state of a process ----------------------------------------------------------

    struct process_state {
        std::atomic<std::uint32_t> generation = 0;
        std::atomic<bool> dying = false;
        std::atomic<std::uint64_t> progress = 0;
        std::array<std::atomic<std::uint8_t>, max_agents> doing =
            {}; // 1 + an action's index, or 0; for the report of a hang
    };

    std::array<process_state, max_slots> processes = {};
    std::atomic<bool> over = false;
    std::array<std::atomic<std::uint64_t>, max_actions> ran = {};
    std::array<std::atomic<std::uint64_t>, std::size_t(counter::count_)> counts = {};
    std::atomic<std::uint64_t> conflicts = 0;
    std::atomic<std::uint64_t> failures = 0;

    void count(counter what, std::uint64_t times = 1)
    {
        counts[std::size_t(what)] += times;
    }

    /// Notes and prints what must not be.
    void fail(const std::string& what);

    // --- who has what --------------------------------------------------------------------

    /// A moment: what is written later has a number that is not lower.
    [[nodiscard]] std::uint64_t now() const { return next_.load(); }

    /// Writes down that this process holds cells of a port, which it has got since `asked`.
    /// A conflict is a failure.
    [[nodiscard]] std::uint64_t write(std::uint16_t port, cells where, hold how,
                                      std::uint64_t asked);

    /// To be called before the change, where the new way lets more in, and after it otherwise.
    [[nodiscard]] std::uint64_t change(std::uint16_t port, cells where,
                                       std::uint64_t record, hold how);

    /// To be called before the port is given back.
    void erase(std::uint16_t port, cells where, std::uint64_t record);

    /// Which reuse options a foreign socket set before its bind.
    struct reuse {
        bool address = false;
        bool port = false;
        bool any_port = false; // bind() to port 0, or connect()
    };

    /// Checks what a foreign socket was given, after `asked`; `whole` are the cells in which nobody
    /// may be, `own` those that it has. Returns those own cells that it writes down.
    cells foreign_got(std::uint16_t port, cells whole, cells own, reuse options,
                      std::uint64_t asked, const char* how);
    void foreign_gone(std::uint16_t port, cells written);

    /// The records of this process that are left, as text.
    [[nodiscard]] std::string leftovers() const;

private:
    using table =
        std::array<std::array<std::atomic<std::uint64_t>, cells_of_port>, 65536>;

    [[nodiscard]] std::uint64_t make_record(hold how);
    [[nodiscard]] bool is_stale(std::uint64_t record) const;
    [[nodiscard]] bool am_dying() const; // and so no witness any more

    std::atomic<std::uint64_t> next_ = 1;
    table held_ = {};
    table foreign_ = {};
};

/// The soak's ledger, and which process of it this is.
extern ledger* shared;
extern unsigned my_slot;
extern std::uint16_t my_generation;

/// A record that is erased with its object, or before.
class record {
public:
    record() = default;
    record(std::uint16_t port, cells where, hold how, std::uint64_t asked)
        : port_(port), where_(where), how_(how),
          number_(shared->write(port, where, how, asked))
    {}
    record(record&& other) noexcept { swap(other); }
    record& operator=(record&& other) noexcept
    {
        record taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~record() { erase(); }

    void erase()
    {
        if (number_ != 0)
            shared->erase(port_, where_, number_);
        number_ = 0;
        where_ = 0;
    }

    void change(hold how)
    {
        how_ = how;
        number_ = shared->change(port_, where_, number_, how);
    }

    /// Leaves cells to a record of their own.
    [[nodiscard]] record split(cells away)
    {
        record other;
        other.port_ = port_;
        other.how_ = how_;
        other.number_ = number_;
        other.where_ = where_ & away;
        where_ = static_cast<cells>(where_ & ~away);
        return other;
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] cells where() const { return where_; }
    [[nodiscard]] hold how() const { return how_; }

private:
    void swap(record& other) noexcept
    {
        std::swap(port_, other.port_);
        std::swap(where_, other.where_);
        std::swap(how_, other.how_);
        std::swap(number_, other.number_);
    }

    std::uint16_t port_ = 0;
    cells where_ = 0;
    hold how_ = hold::open;
    std::uint64_t number_ = 0;
};

/// Something that holds a port, with its record, which goes first.
template <class Thing>
struct held {
    Thing thing;
    record noted;

    held(Thing what, record where) : thing(std::move(what)), noted(std::move(where)) {}
    held(held&&) = default;
    held& operator=(held&& other) noexcept
    {
        noted.erase();
        thing = std::move(other.thing);
        noted = std::move(other.noted);
        return *this;
    }
};

} // namespace berth::soak
