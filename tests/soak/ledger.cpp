// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "ledger.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>

namespace berth::soak {

ledger* shared = nullptr;
unsigned my_slot = 0;
std::uint16_t my_generation = 0;

namespace {

// A record, from the lowest bit up: how, the process's slot, its generation, a number.
constexpr unsigned slot_at = 4;
constexpr unsigned generation_at = 12;
constexpr unsigned number_at = 28;

unsigned slot_of(std::uint64_t record)
{
    return record >> slot_at & 0xff;
}

std::uint16_t generation_of(std::uint64_t record)
{
    return static_cast<std::uint16_t>(record >> generation_at);
}

std::uint64_t number_of(std::uint64_t record)
{
    return record >> number_at;
}

hold how_of(std::uint64_t record)
{
    return hold(record & 0xf);
}

const char* name(hold how)
{
    switch (how) {
    case hold::open:
        return "an open lease";
    case hold::sealed:
        return "a sealed lease";
    case hold::sealed_again:
        return "a lease that was sealed again";
    case hold::bound:
        return "a bound socket";
    }
    return "nothing known";
}

std::string describe(std::uint64_t record)
{
    return std::string(name(how_of(record))) + " of process " +
           std::to_string(slot_of(record)) + '.' + std::to_string(generation_of(record)) +
           " (record " + std::to_string(number_of(record)) + ')';
}

std::string describe(std::uint16_t port, std::size_t cell)
{
    static constexpr std::array addresses = {"127.0.0.1", "127.0.0.2", "::1"};
    return "port " + std::to_string(port) + (cell < 3 ? ", TCP on " : ", UDP on ") +
           addresses[cell % 3];
}

bool has(cells where, std::size_t cell)
{
    return (where >> cell & 1U) != 0;
}

// Whether the kernel lets such a socket in beside such a holder.
bool may_share(hold how, ledger::reuse options, bool udp)
{
    // For UDP bind() to port 0 is like any other. And where one foreign socket with SO_REUSEPORT is on
    // the port, on any address that overlaps, the kernel looks no further before it lets in the next
    // (udp_lib_lport_inuse() in net/ipv4/udp.c), whatever else has it.
    if (udp)
        return options.port || (how == hold::open && options.address);
    if (options.any_port)
        return false;
    if (how == hold::open)
        return options.address || options.port;
    return how == hold::sealed_again && options.port;
}

} // namespace

cells cells_of(const asio::ip::address& address, bool ipv6_only, bool udp)
{
    cells where = 0;
    if (address.is_v6())
        where = address.is_unspecified() && !ipv6_only ? 0b111 : 0b100;
    else if (address.is_unspecified())
        where = 0b011;
    else
        where = address == asio::ip::address_v4::loopback() ? 0b001 : 0b010;
    return udp ? static_cast<cells>(where << 3U) : where;
}

ledger& ledger::make()
{
    void* const memory = ::mmap(nullptr, sizeof(ledger), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::system_error(errno, std::system_category(), "mmap");
    return *new (memory) ledger;
}

void ledger::fail(const std::string& what)
{
    constexpr std::uint64_t most = 50; // what follows is seldom news
    if (failures++ >= most)
        return;
    const std::string line = "FAILURE in process " + std::to_string(my_slot) + '.' +
                             std::to_string(my_generation) + ": " + what + '\n';
    (void)!::write(STDERR_FILENO, line.data(), line.size()); // one call: lines stay whole
}

std::uint64_t ledger::make_record(hold how)
{
    return next_++ << number_at | std::uint64_t(my_generation) << generation_at |
           std::uint64_t(my_slot) << slot_at | std::uint64_t(how);
}

bool ledger::is_stale(std::uint64_t record) const
{
    const process_state& holder = processes[slot_of(record)];
    return holder.dying ||
           static_cast<std::uint16_t>(holder.generation) != generation_of(record);
}

bool ledger::am_dying() const
{
    const process_state& me = processes[my_slot];
    return me.dying || static_cast<std::uint16_t>(me.generation) != my_generation;
}

std::uint64_t ledger::write(std::uint16_t port, cells where, hold how,
                            std::uint64_t asked)
{
    const std::uint64_t record = make_record(how);
    for (std::size_t i = 0; i < cells_of_port; ++i) {
        if (!has(where, i))
            continue;
        std::uint64_t there = 0;
        while (!held_[port][i].compare_exchange_strong(there, record)) {
            if (is_stale(there))
                continue; // what a killed process left; `there` is replaced
            if (!am_dying()) {
                ++conflicts;
                fail(describe(port, i) + " was granted as " + name(how) + " while " +
                     describe(there) + " has it");
            }
            break;
        }
        const std::uint64_t stranger = foreign_[port][i];
        if (stranger != 0 && number_of(stranger) < asked && !is_stale(stranger)) {
            ++conflicts;
            fail(describe(port, i) + " was granted as " + name(how) +
                 " while a foreign socket of process " +
                 std::to_string(slot_of(stranger)) + " has it");
        }
    }
    return record;
}

std::uint64_t ledger::change(std::uint16_t port, cells where, std::uint64_t record,
                             hold how)
{
    const std::uint64_t changed = make_record(how);
    for (std::size_t i = 0; i < cells_of_port; ++i) {
        std::uint64_t there = record;
        if (has(where, i) && !held_[port][i].compare_exchange_strong(there, changed) &&
            !am_dying())
            fail(describe(port, i) + " has the record of " + describe(there) +
                 " where that of " + describe(record) + " should be");
    }
    return changed;
}

void ledger::erase(std::uint16_t port, cells where, std::uint64_t record)
{
    for (std::size_t i = 0; i < cells_of_port; ++i) {
        std::uint64_t there = record;
        if (has(where, i) && !held_[port][i].compare_exchange_strong(there, 0) &&
            !am_dying())
            fail(describe(port, i) + " has the record of " + describe(there) +
                 " where that of " + describe(record) + " should be");
    }
}

cells ledger::foreign_got(std::uint16_t port, cells whole, cells own, reuse options,
                          std::uint64_t asked, const char* how)
{
    cells written = 0;
    for (std::size_t i = 0; i < cells_of_port; ++i) {
        if (!has(static_cast<cells>(whole | own), i))
            continue;
        // Who was there before we asked, and still is now, was there all the time.
        const std::uint64_t holder = held_[port][i];
        if (holder != 0 && number_of(holder) < asked && !is_stale(holder)) {
            // Where a foreign socket with SO_REUSEPORT is on 0.0.0.0 the kernel looks no further
            // before it lets another one in on [::], beside who holds IPv6 alone
            // (sk_reuseport_match() in net/ipv4/inet_connection_sock.c).
            const bool beside_v4 =
                own == tcp_cells && options.port && held_[port][0] != holder;
            if (beside_v4 || may_share(how_of(holder), options, i >= cells_of_port / 2)) {
                count(counter::foreign_shared);
            } else if (!am_dying()) {
                ++conflicts;
                fail(describe(port, i) + " was given to a foreign " + how +
                     (options.address ? " with SO_REUSEADDR" : "") +
                     (options.port ? " with SO_REUSEPORT" : "") + " while " +
                     describe(holder) + " has it");
            }
        }
        if (!has(own, i))
            continue;
        std::uint64_t nobody = 0;
        if (foreign_[port][i].compare_exchange_strong(nobody, make_record(hold::bound)))
            written |= static_cast<cells>(1U << i);
    }
    return written;
}

void ledger::foreign_gone(std::uint16_t port, cells written)
{
    for (std::size_t i = 0; i < cells_of_port; ++i)
        if (has(written, i))
            foreign_[port][i] = 0;
}

std::string ledger::leftovers() const
{
    std::string all;
    for (std::size_t port = 0; port < held_.size(); ++port)
        for (std::size_t i = 0; i < cells_of_port; ++i)
            if (const std::uint64_t there = held_[port][i];
                there != 0 && slot_of(there) == my_slot && !is_stale(there))
                all += ' ' + describe(static_cast<std::uint16_t>(port), i) + ": " +
                       describe(there) + ';';
    return all;
}

} // namespace berth::soak
