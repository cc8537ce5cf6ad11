// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "worker.hpp"

#include "foreign.hpp"

#include <berth/berth.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <variant>
#include <vector>

namespace berth::soak {

namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;
using asio::ip::udp;
using clock = std::chrono::steady_clock;

enum class deed : std::uint8_t {
    nothing,
    find,
    find_several,
    bind,
    bind_own,
    make_black_hole,
    listen,
    change_mode,
    give_back,
    look,
    fork_child,
    ask_wrongly,
    visit,
    rest,
    count_,
};

constexpr std::array deed_names = {
    "nothing",    "find",        "find_several", "bind",      "bind_own",
    "black_hole", "listen",      "change_mode",  "give_back", "look",
    "fork_child", "ask_wrongly", "visit",        "rest",
};
static_assert(deed_names.size() == std::size_t(deed::count_));

// --- what is asked for ---------------------------------------------------------------------

bool is_blocked(std::uint16_t port) // in the two ranges
{
    return port == 6566 || (6665 <= port && port <= 6669) || port == 6679 || port == 6697;
}

clock::duration any_wait(generator& chance)
{
    return once_in(chance, 3) ? std::chrono::microseconds(pick(chance, 30'000))
                              : clock::duration::zero();
}

std::optional<port_set> any_ports(generator& chance)
{
    const auto some = [&](port_range from, unsigned most) {
        const auto count = static_cast<std::uint16_t>(1 + pick(chance, most));
        const auto first =
            static_cast<std::uint16_t>(from.first + pick(chance, from.size() - count));
        return port_range{first, static_cast<std::uint16_t>(first + count - 1)};
    };
    switch (pick(chance, 8)) {
    case 0:
        return some(narrow, 30);
    case 1:
        return some(narrow, 100) | some(narrow, 10) | some(wide, 10);
    case 2:
        return port_set(wide);
    case 3:
        return port_set(wide) - some(wide, 100);
    case 4: {
        const port_range row =
            some(narrow, 10); // the same for many: their waiting lines meet
        return port_range{static_cast<std::uint16_t>(row.first / 10 * 10),
                          static_cast<std::uint16_t>(row.first / 10 * 10 + 4)} &
               port_set(narrow);
    }
    default:
        return std::nullopt;
    }
}

std::optional<std::uint16_t> any_preferred(generator& chance)
{
    return once_in(chance, 4) ? std::optional(any_port(chance)) : std::nullopt;
}

// Found before there are threads, of which a fork would leave one's work half done.
std::vector<backend> working_backends;

void find_working_backends()
{
    working_backends = {backend::automatic};
    for (const backend_status& one : available_backends())
        if (one.available)
            working_backends.push_back(one.which);
}

backend any_backend(generator& chance)
{
    return working_backends[pick(chance, unsigned(working_backends.size()))];
}

find_options any_find_options(generator& chance)
{
    find_options options;
    options.transports = transports(1 + pick(chance, 3));
    if (once_in(chance, 2))
        options.transports = transports::tcp;
    options.families =
        once_in(chance, 2) ? families::both : families(1 + pick(chance, 3));
    const auto allowed = [&] {
        for (;;) {
            const asio::ip::address address = any_address(chance);
            const auto family = address.is_v6() ? families::v6 : families::v4;
            if (options.families == families::both || options.families == family)
                return address;
        }
    };
    switch (pick(chance, 6)) { // one, two, three, or none: every address
    case 0:
        options.addresses = allowed();
        break;
    case 1:
        options.addresses = {allowed(), allowed()};
        break;
    case 2:
        options.addresses = {allowed(), allowed(), allowed()};
        break;
    default:
        break;
    }
    options.ports = any_ports(chance);
    options.preferred = any_preferred(chance);
    options.browser_safe = once_in(chance, 3);
    options.wait = any_wait(chance);
    options.mode = once_in(chance, 2) ? lease_mode::open : lease_mode::sealed;
    options.backend = any_backend(chance);
    return options;
}

bind_options any_bind_options(generator& chance)
{
    bind_options options;
    options.address = any_address(chance);
    options.ports = any_ports(chance);
    options.preferred = any_preferred(chance);
    options.browser_safe = once_in(chance, 3);
    options.wait = any_wait(chance);
    options.listen = !once_in(chance, 3);
    options.backlog = static_cast<int>(1 + pick(chance, 16));
    options.backend = any_backend(chance);
    return options;
}

port_pattern any_pattern(generator& chance)
{
    const auto divisor =
        static_cast<std::uint16_t>(once_in(chance, 3) ? 1 + pick(chance, 5) : 1);
    const auto pattern = [&]() -> port_pattern {
        switch (pick(chance, 8)) {
        case 0:
            return port_pattern::block(1 + pick(chance, 4));
        case 1:
            return port_pattern::block(1 + pick(chance, 40));
        case 2:
            return port_pattern::offsets(0, 1 + pick(chance, 20));
        case 3:
            return port_pattern::offsets(5, 0, 2);
        case 4:
            return port_pattern::offsets(0, 100, 1000, 10000);
        case 5:
            return port_pattern(pick(chance, 40));
        case 6:
            return port_pattern(once_in(chance, 4) ? 400 : 2);
        default:
            return port_pattern(pick(chance, 4));
        }
    }();
    return pattern.from_multiple_of(divisor);
}

// Whom a lease keeps out. On every address UDP is held on the loopback addresses.
cells cells_of(const find_options& options)
{
    const bool ipv6_only = options.families == families::v6;
    address_list addresses = options.addresses;
    if (addresses.empty()) {
        if (options.families == families::v4)
            addresses = asio::ip::address_v4::any();
        else
            addresses = asio::ip::address_v6::any();
    }
    cells where = 0;
    for (const asio::ip::address& address : addresses) {
        if (options.transports != transports::udp)
            where |= soak::cells_of(address, ipv6_only, false);
        if (options.transports == transports::tcp)
            continue;
        if (!address.is_unspecified())
            where |= soak::cells_of(address, false, true);
        else {
            if (address.is_v4() || !ipv6_only)
                where |= soak::cells_of(asio::ip::address_v4::loopback(), false, true);
            if (address.is_v6())
                where |= soak::cells_of(asio::ip::address_v6::loopback(), false, true);
        }
    }
    return where;
}

// Those of the socket of a lease that listens.
cells first_cells_of(const find_options& options)
{
    if (options.transports == transports::udp)
        return 0;
    const bool ipv6_only = options.families == families::v6;
    if (options.addresses.empty())
        return soak::cells_of(options.families == families::v4
                                  ? asio::ip::address(asio::ip::address_v4::any())
                                  : asio::ip::address_v6::any(),
                              ipv6_only, false);
    const auto* chosen = options.addresses.begin(); // the widest, and the first of those
    for (const asio::ip::address& address : options.addresses)
        if (address.is_unspecified() &&
            (!chosen->is_unspecified() || (address.is_v6() && !ipv6_only)))
            chosen = &address;
    return soak::cells_of(*chosen, ipv6_only, false);
}

constexpr port_range all_ports = {1, 65535};

hold hold_of(lease_mode mode)
{
    return mode == lease_mode::open ? hold::open : hold::sealed;
}

// --- errors --------------------------------------------------------------------------------

void check_error(const std::error_code& ec, bool allowed, const std::string& what)
{
    if (ec == error::ports_exhausted)
        shared->count(counter::exhausted);
    if (ec && !allowed)
        shared->fail(what + " failed: " + ec.message() + " (" + ec.category().name() +
                     ' ' + std::to_string(ec.value()) + ')');
}

std::string describe(const find_options& options)
{
    std::string text = "find_unused_port() on";
    for (const asio::ip::address& one : options.addresses)
        text += ' ' + one.to_string();
    text += ", transports " + std::to_string(unsigned(options.transports)) +
            ", families " + std::to_string(unsigned(options.families)) + ", back end " +
            std::string(to_string(options.backend));
    if (options.ports)
        text += ", ports " + to_string(*options.ports);
    return text;
}

// Of a wide range most ports are free.
bool may_be_exhausted(const std::optional<port_set>& ports)
{
    return !ports || ports->size() < wide.size() / 2;
}

void expect(bool holds, const std::string& what)
{
    if (!holds)
        shared->fail("not so: " + what);
}

// --- a process -----------------------------------------------------------------------------

struct held_lease : held<port_lease> {
    // The cells of the socket that would listen; none where there is none, or one is not told which.
    cells first = 0;

    held_lease(port_lease lease, record where, cells would_listen)
        : held(std::move(lease), std::move(where)), first(would_listen)
    {}
};
using held_acceptor = held<tcp::acceptor>;
using held_client = held<tcp::socket>;
using held_udp = held<udp::socket>;
using held_hole = held<black_hole>;
using held_socket = std::variant<held_acceptor, held_client, held_udp, held_hole>;

std::atomic<std::uint64_t> granted_here = 0;

void count_granted(std::uint64_t ports = 1)
{
    granted_here += ports;
    shared->count(counter::granted, ports);
}

// Leases that outlive their contexts.
class survivors {
public:
    void add(held_lease&& one)
    {
        const std::lock_guard lock(mutex_);
        all_.push_back(std::move(one));
    }

    [[nodiscard]] std::optional<held_lease> take()
    {
        const std::lock_guard lock(mutex_);
        if (all_.empty())
            return std::nullopt;
        held_lease one = std::move(all_.back());
        all_.pop_back();
        return one;
    }

    void clear()
    {
        const std::lock_guard lock(mutex_);
        all_.clear();
    }

private:
    std::mutex mutex_;
    std::vector<held_lease> all_;
};

void check_number(std::uint16_t port, const std::optional<port_set>& ports,
                  const std::optional<std::uint16_t>& preferred, bool browser_safe)
{
    const port_set from = ports.value_or(narrow);
    expect(from.contains(port) || port == preferred,
           "port " + std::to_string(port) + " is of " + to_string(from));
    expect(!browser_safe || !is_blocked(port),
           "browsers connect to port " + std::to_string(port));
}

record note(const port_lease& lease, const find_options& options, std::uint64_t asked)
{
    count_granted();
    expect(lease.valid() && lease.port() != 0, "a lease that was found is valid");
    expect(lease.mode() == options.mode, "a lease has the mode that was asked for");
    return {lease.port(), cells_of(options), hold_of(options.mode), asked};
}

/// A coroutine that does one thing after the other, on a strand of its own.
class agent {
public:
    agent(asio::any_io_executor ex, generator chance, unsigned number, survivors& others,
          clock::time_point end)
        : ex_(std::move(ex)), chance_(chance), number_(number), others_(others), end_(end)
    {}

    awaitable<void> run();

private:
    [[nodiscard]] bool over() const { return shared->over || clock::now() > end_; }

    awaitable<void> act(deed what);
    awaitable<void> find();
    awaitable<void> find_and_cancel(find_options options);
    awaitable<void> find_several();
    awaitable<void> bind();
    template <class Protocol>
    awaitable<void> bind(bind_options options);
    awaitable<void> bind_own();
    template <class Socket>
    awaitable<void> bind_own(Socket socket, asio::ip::address address);
    awaitable<void> make_black_hole();
    awaitable<void> listen();
    awaitable<void> change_mode();
    awaitable<void> give_back();
    awaitable<void> look();
    awaitable<void> fork_child();
    awaitable<void> ask_wrongly();
    awaitable<void> visit();
    awaitable<void> pause(clock::duration how_long);

    void in_the_child();
    void take(port_lease lease, const find_options& options, std::uint64_t asked);
    void take(std::vector<port_lease> leases, const port_pattern& pattern,
              const find_options& options, std::uint64_t asked);
    void check_still_held(const held_lease& one);

    template <class Thing>
    Thing remove(std::vector<Thing>& from)
    {
        std::swap(from[pick(chance_, unsigned(from.size()))], from.back());
        Thing taken = std::move(from.back());
        from.pop_back();
        return taken;
    }

    asio::any_io_executor ex_;
    generator chance_;
    unsigned number_;
    survivors& others_;
    clock::time_point end_;
    std::vector<held_lease> leases_;
    std::vector<held_socket> sockets_;
    std::vector<foreign_socket> shared_sockets_; // UDP, with SO_REUSEADDR: nobody's alone
};

awaitable<void> agent::run()
{
    // Finding is what all the others live on.
    static constexpr std::array often = {
        deed::find,         deed::find,      deed::find,      deed::find,
        deed::find,         deed::bind,      deed::bind,      deed::bind_own,
        deed::find_several, deed::listen,    deed::listen,    deed::change_mode,
        deed::change_mode,  deed::give_back, deed::give_back, deed::give_back,
        deed::look,         deed::visit,     deed::rest,
    };
    static constexpr std::array seldom = {deed::make_black_hole, deed::fork_child,
                                          deed::ask_wrongly};
    while (!over()) {
        const deed what = once_in(chance_, 10)
                              ? seldom[pick(chance_, unsigned(seldom.size()))]
                              : often[pick(chance_, unsigned(often.size()))];
        auto& doing = shared->processes[my_slot].doing[number_];
        doing = static_cast<std::uint8_t>(what);
        ++shared->processes[my_slot].progress;
        try {
            co_await act(what);
        } catch (const std::exception& e) {
            shared->fail(std::string("in ") + name_of_deed(unsigned(what)) + ": " +
                         e.what());
        }
        doing = 0;
    }
}

awaitable<void> agent::act(deed what)
{
    constexpr std::size_t most = 8; // that all together hold about what there is
    if (leases_.size() + sockets_.size() > most || shared_sockets_.size() > 2)
        what = deed::give_back;
    switch (what) {
    case deed::find:
        return find();
    case deed::find_several:
        return find_several();
    case deed::bind:
        return bind();
    case deed::bind_own:
        return bind_own();
    case deed::make_black_hole:
        return make_black_hole();
    case deed::listen:
        return listen();
    case deed::change_mode:
        return change_mode();
    case deed::give_back:
        return give_back();
    case deed::look:
        return look();
    case deed::fork_child:
        return fork_child();
    case deed::ask_wrongly:
        return ask_wrongly();
    case deed::visit:
        return visit();
    default:
        return pause(std::chrono::microseconds(pick(chance_, 5000)));
    }
}

awaitable<void> agent::pause(clock::duration how_long)
{
    asio::steady_timer timer(ex_, how_long);
    co_await timer.async_wait(use_awaitable);
}

void agent::take(port_lease lease, const find_options& options, std::uint64_t asked)
{
    check_number(lease.port(), options.ports, options.preferred, options.browser_safe);
    record noted = note(lease, options, asked);
    leases_.emplace_back(std::move(lease), std::move(noted), first_cells_of(options));
}

awaitable<void> agent::find()
{
    shared->count(counter::found);
    const find_options options = any_find_options(chance_);
    if (options.wait.count() > 0)
        shared->count(counter::waits);
    const std::uint64_t asked = shared->now();
    std::error_code ec;
    switch (pick(chance_, 4)) {
    case 0: {
        port_lease lease = find_unused_port(options, ec);
        if (!ec)
            take(std::move(lease), options, asked);
        break;
    }
    case 1: {
        co_await find_and_cancel(options);
        co_return;
    }
    case 2: {
        // Who loses is cancelled.
        asio::steady_timer timer(ex_, std::chrono::microseconds(pick(chance_, 3000)));
        try {
            auto first = co_await (co_find_unused_port(options) ||
                                   timer.async_wait(use_awaitable));
            if (auto* const lease = std::get_if<port_lease>(&first)) {
                shared->count(counter::late_cancellations);
                take(std::move(*lease), options, asked);
            } else {
                shared->count(counter::cancellations);
            }
        } catch (const std::system_error& e) {
            ec = e.code();
        }
        break;
    }
    default:
        try {
            port_lease lease = co_await co_find_unused_port(options);
            take(std::move(lease), options, asked);
        } catch (const std::system_error& e) {
            ec = e.code();
        }
    }
    if (ec == error::ports_exhausted && options.wait.count() > 0)
        shared->count(counter::waits_in_vain);
    check_error(ec,
                (ec == error::ports_exhausted && may_be_exhausted(options.ports)) ||
                    (ec == error::no_ports && options.browser_safe),
                describe(options));
}

// With a handler and a slot, on which the signal comes after a random number of turns.
awaitable<void> agent::find_and_cancel(find_options options)
{
    struct state {
        asio::cancellation_signal signal;
        asio::steady_timer done;
        bool answered = false;
        std::error_code ec;
        std::optional<held_lease> got;
        explicit state(const asio::any_io_executor& ex)
            : done(ex, asio::steady_timer::time_point::max())
        {}
    };
    const auto mine = std::make_shared<state>(ex_);
    const bool drop_there = once_in(chance_, 3);
    const std::uint64_t asked = shared->now();
    async_find_unused_port(
        ex_, options,
        asio::bind_cancellation_slot(
            mine->signal.slot(),
            [mine, options, drop_there, asked](std::error_code ec, port_lease lease) {
                mine->ec = ec;
                if (!ec) {
                    record noted = note(lease, options, asked);
                    if (drop_there)
                        noted.erase(); // and the lease ends inside the handler
                    else
                        mine->got.emplace(std::move(lease), std::move(noted),
                                          first_cells_of(options));
                }
                mine->answered = true;
                mine->done.cancel();
            }));
    if (!once_in(chance_, 4)) {
        for (unsigned turns = pick(chance_, 4); turns > 0; --turns)
            co_await asio::post(ex_, use_awaitable);
        static constexpr std::array types = {asio::cancellation_type::terminal,
                                             asio::cancellation_type::partial,
                                             asio::cancellation_type::total};
        mine->signal.emit(types[pick(chance_, unsigned(types.size()))]);
    }
    while (!mine->answered) {
        std::error_code ignored;
        co_await mine->done.async_wait(asio::redirect_error(use_awaitable, ignored));
    }
    shared->count(mine->ec == asio::error::operation_aborted
                      ? counter::cancellations
                      : counter::late_cancellations);
    check_error(mine->ec,
                (mine->ec == error::ports_exhausted && may_be_exhausted(options.ports)) ||
                    mine->ec == asio::error::operation_aborted ||
                    (mine->ec == error::no_ports && options.browser_safe),
                describe(options));
    if (mine->got)
        leases_.push_back(std::move(*mine->got));
}

void agent::take(std::vector<port_lease> leases, const port_pattern& pattern,
                 const find_options& options, std::uint64_t asked)
{
    expect(leases.size() == pattern.size(), "there are as many leases as asked for");
    if (leases.empty())
        return;
    const bool rigid = pattern.is_block() || pattern.has_offsets();
    const int first = leases.front().port() - (rigid ? pattern.offset(0) : 0);
    expect(first % pattern.divisor() == 0,
           "the first port is a multiple: " + std::to_string(first));
    std::vector<held_lease> all;
    for (std::size_t i = 0; i < leases.size(); ++i) {
        const std::uint16_t port = leases[i].port();
        expect(!rigid || port == first + pattern.offset(i),
               "port " + std::to_string(port) + " fits the pattern from " +
                   std::to_string(first));
        // A preferred port need not be in the set, and takes the pattern with it.
        check_number(port, options.preferred ? port_set(all_ports) : options.ports, {},
                     options.browser_safe);
        record noted = note(leases[i], options, asked);
        all.emplace_back(std::move(leases[i]), std::move(noted), first_cells_of(options));
    }
    // A few are kept; the others go in a random order.
    while (all.size() > 3)
        (void)remove(all);
    for (held_lease& one : all)
        leases_.push_back(std::move(one));
}

awaitable<void> agent::find_several()
{
    shared->count(counter::found_several);
    find_options options = any_find_options(chance_);
    const port_pattern pattern = any_pattern(chance_);
    if (options.wait.count() > 0)
        shared->count(counter::waits);
    const std::uint64_t asked = shared->now();
    std::error_code ec;
    try {
        if (once_in(chance_, 2)) {
            take(find_unused_ports(pattern, options), pattern, options, asked);
        } else if (once_in(chance_, 2)) {
            asio::steady_timer timer(ex_, std::chrono::microseconds(pick(chance_, 3000)));
            auto either = co_await (co_find_unused_ports(pattern, options) ||
                                    timer.async_wait(use_awaitable));
            if (auto* const leases = std::get_if<std::vector<port_lease>>(&either))
                take(std::move(*leases), pattern, options, asked);
            else
                shared->count(counter::cancellations);
        } else {
            auto leases = co_await co_find_unused_ports(pattern, options);
            take(std::move(leases), pattern, options, asked);
        }
    } catch (const std::system_error& e) {
        ec = e.code();
    }
    if (ec == error::ports_exhausted && options.wait.count() > 0)
        shared->count(counter::waits_in_vain);
    // Of a small set browser_safe or the divisor may leave nothing.
    check_error(ec,
                ec == error::ports_exhausted || ec == error::pattern_too_wide ||
                    ec == error::no_ports,
                "find_unused_ports()");
}

awaitable<void> agent::bind()
{
    shared->count(counter::bound);
    const bind_options options = any_bind_options(chance_);
    if (options.wait.count() > 0)
        shared->count(counter::waits);
    return once_in(chance_, 3) ? bind<udp>(options) : bind<tcp>(options);
}

template <class Protocol>
awaitable<void> agent::bind(bind_options options)
{
    constexpr bool is_udp = std::is_same_v<Protocol, udp>;
    const std::uint64_t asked = shared->now();
    std::error_code ec;
    const auto take_socket = [&](bound_socket<Protocol> socket) {
        count_granted();
        const auto local = socket.local_endpoint();
        expect(local.address() == options.address, "a socket has the address asked for");
        check_number(local.port(), options.ports, options.preferred,
                     options.browser_safe);
        record noted(local.port(), soak::cells_of(options.address, false, is_udp),
                     hold::bound, asked);
        sockets_.emplace_back(
            held<bound_socket<Protocol>>(std::move(socket), std::move(noted)));
    };
    try {
        switch (pick(chance_, 3)) {
        case 0:
            take_socket(bind_ephemeral<Protocol>(ex_, options));
            break;
        case 1: {
            asio::steady_timer timer(ex_, std::chrono::microseconds(pick(chance_, 3000)));
            auto first = co_await (co_bind_ephemeral<Protocol>(options) ||
                                   timer.async_wait(use_awaitable));
            if (auto* const socket = std::get_if<bound_socket<Protocol>>(&first))
                take_socket(std::move(*socket));
            else
                shared->count(counter::cancellations);
            break;
        }
        default: {
            auto socket = co_await co_bind_ephemeral<Protocol>(options);
            take_socket(std::move(socket));
        }
        }
    } catch (const std::system_error& e) {
        ec = e.code();
    }
    if (ec == error::ports_exhausted && options.wait.count() > 0)
        shared->count(counter::waits_in_vain);
    if (!options.listen && !is_udp)
        shared->count(counter::dead_ports);
    check_error(ec,
                (ec == error::ports_exhausted && may_be_exhausted(options.ports)) ||
                    (ec == error::no_ports && options.browser_safe),
                "bind_ephemeral()");
}

awaitable<void> agent::bind_own()
{
    shared->count(counter::bound_own);
    const asio::ip::address address = any_address(chance_);
    const auto v6 = address.is_v6();
    switch (pick(chance_, 3)) {
    case 0:
        return bind_own(tcp::acceptor(ex_, v6 ? tcp::v6() : tcp::v4()), address);
    case 1:
        return bind_own(tcp::socket(ex_, v6 ? tcp::v6() : tcp::v4()), address);
    default:
        return bind_own(udp::socket(ex_, v6 ? udp::v6() : udp::v4()), address);
    }
}

template <class Socket>
awaitable<void> agent::bind_own(Socket socket, asio::ip::address address)
{
    constexpr bool is_udp = std::is_same_v<Socket, udp::socket>;
    const bool reusable = once_in(chance_, 5);
    if (reusable)
        socket.set_option(asio::socket_base::reuse_address(true));
    const std::uint64_t asked = shared->now();
    std::error_code ec;
    std::uint16_t port = 0;
    if (once_in(chance_, 2)) {
        port = bind_ephemeral(socket, address, ec);
    } else {
        try {
            port = co_await co_bind_ephemeral(socket, address);
        } catch (const std::system_error& e) {
            ec = e.code();
        }
    }
    if (reusable && !is_udp) {
        expect(ec == error::reuse_address_set,
               "a reusable socket of one's own is refused");
        co_return;
    }
    check_error(ec, ec == error::ports_exhausted, "bind_ephemeral() with a socket");
    if (ec)
        co_return;
    count_granted();
    check_number(port, std::nullopt, std::nullopt, false);
    const cells where = soak::cells_of(address, false, is_udp);
    if (reusable) {
        // It shares the port as any reusable UDP socket does.
        const cells written = shared->foreign_got(port, where, where, {.address = true},
                                                  asked, "own socket");
        shared_sockets_.emplace_back(detail::unique_socket(socket.release()), port,
                                     written);
        co_return;
    }
    record noted(port, where, hold::bound, asked);
    sockets_.emplace_back(held<Socket>(std::move(socket), std::move(noted)));
}

awaitable<void> agent::make_black_hole()
{
    shared->count(counter::black_holes);
    bind_options options = any_bind_options(chance_);
    const std::uint64_t asked = shared->now();
    std::error_code ec;
    try {
        black_hole hole;
        if (once_in(chance_, 2))
            hole = bind_black_hole(options);
        else
            hole = co_await co_bind_black_hole(options);
        count_granted();
        const tcp::endpoint there = hole.endpoint();
        check_number(there.port(), options.ports, options.preferred,
                     options.browser_safe);
        record noted(there.port(), soak::cells_of(options.address, false, false),
                     hold::bound, asked);
        sockets_.emplace_back(held_hole(std::move(hole), std::move(noted)));

        tcp::endpoint to = there;
        if (there.address().is_unspecified())
            to.address(there.address().is_v6()
                           ? asio::ip::address(asio::ip::address_v6::loopback())
                           : asio::ip::address_v4::loopback());
        tcp::socket client(ex_, to.protocol());
        asio::steady_timer timer(ex_, 2ms);
        std::error_code answer;
        const auto first = co_await (
            client.async_connect(to, asio::redirect_error(use_awaitable, answer)) ||
            timer.async_wait(use_awaitable));
        expect(first.index() == 1 || answer.value() == EADDRNOTAVAIL,
               "nobody answers on a black hole: " + answer.message());
    } catch (const std::system_error& e) {
        ec = e.code();
    }
    // Its own connection needs a port of the narrow range.
    check_error(ec,
                (ec == error::ports_exhausted && may_be_exhausted(options.ports)) ||
                    (ec == error::no_ports && options.browser_safe) ||
                    ec == std::errc::address_not_available,
                "bind_black_hole()");
}

awaitable<void> agent::listen()
{
    if (leases_.empty())
        co_return;
    if (const cells tcp = leases_.back().noted.where() & tcp_cells;
        tcp != 0 && leases_.back().first == 0)
        co_return;
    shared->count(counter::listens);
    held_lease one = std::move(leases_.back());
    leases_.pop_back();
    std::error_code ec;
    const hold before = one.noted.how();
    tcp::acceptor acceptor = std::move(one.thing).listen(ex_, 8, ec);
    if ((one.noted.where() & tcp_cells) == 0) {
        expect(ec == error::not_tcp,
               "a lease without TCP cannot listen: " + ec.message());
        leases_.push_back(std::move(one));
        co_return;
    }
    // A server may have bound the open lease, or stayed on it.
    check_error(ec, before != hold::sealed && ec == std::errc::address_in_use,
                "listen()");
    if (ec) {
        expect(one.thing.valid(), "a lease that cannot listen stays");
        leases_.push_back(std::move(one));
        co_return;
    }
    const tcp::endpoint local = acceptor.local_endpoint();
    expect(local.port() == one.noted.port(), "the acceptor has the lease's port");
    held_acceptor server(std::move(acceptor), one.noted.split(one.first));
    server.noted.change(hold::bound);
    // What the lease holds beside the socket that listens it keeps.
    expect(one.thing.valid() == (one.noted.where() != 0),
           "a lease keeps its other sockets");
    one.first = 0;
    if (one.thing.valid())
        leases_.push_back(std::move(one));

    // A connection through it. Its client has a port that the kernel chose.
    tcp::endpoint to = local;
    if (local.address().is_unspecified())
        to.address(local.address().is_v6()
                       ? asio::ip::address(asio::ip::address_v6::loopback())
                       : asio::ip::address_v4::loopback());
    if (auto client = connect_foreign(to.address(), to.port())) {
        asio::steady_timer timer(ex_, 1s);
        auto first = co_await (server.thing.async_accept(use_awaitable) ||
                               timer.async_wait(use_awaitable));
        if (auto* const accepted = std::get_if<tcp::socket>(&first)) {
            shared->count(counter::served);
            // Its port, the acceptor's, must not stay behind in TIME_WAIT. Asio's destructor would
            // take the option back.
            accepted->set_option(asio::socket_base::linger(true, 0));
            accepted->close();
        }
    }
    sockets_.emplace_back(std::move(server));
}

// A plain bind to what is held must be refused.
void agent::check_still_held(const held_lease& one)
{
    const bool is_udp = (one.noted.where() & tcp_cells) == 0;
    const auto where =
        static_cast<cells>(is_udp ? one.noted.where() >> 3U : one.noted.where());
    const asio::ip::address address =
        (where & 0b001) != 0   ? asio::ip::address(asio::ip::address_v4::loopback())
        : (where & 0b010) != 0 ? asio::ip::make_address("127.0.0.2")
                               : asio::ip::address_v6::loopback();
    expect(!bind_foreign(address, one.noted.port(), is_udp, {}),
           "port " + std::to_string(one.noted.port()) + " is held");
}

awaitable<void> agent::change_mode()
{
    if (leases_.empty())
        co_return;
    shared->count(counter::opens_and_seals);
    held_lease one = remove(leases_);
    std::error_code ec;
    if (once_in(chance_, 2)) {
        one.noted.change(hold::open);
        one.thing.open(ec);
    } else {
        one.thing.seal(ec);
        if (one.noted.how() == hold::open)
            one.noted.change(hold::sealed_again);
    }
    check_error(ec, false, "open() or seal()");
    check_still_held(one);
    leases_.push_back(std::move(one));
}

awaitable<void> agent::give_back()
{
    if (!shared_sockets_.empty() && once_in(chance_, 2))
        shared_sockets_.pop_back();
    if (!sockets_.empty() && (leases_.empty() || once_in(chance_, 3))) {
        (void)remove(sockets_);
        co_return;
    }
    if (leases_.empty())
        co_return;
    held_lease one = remove(leases_);
    switch (pick(chance_, 5)) {
    case 0: {
        shared->count(counter::releases);
        const std::uint16_t port = one.noted.port();
        one.noted.erase();
        expect(one.thing.release() == port, "release() tells the number");
        expect(!one.thing.valid() && one.thing.port() == 0, "a released lease is empty");
        break;
    }
    case 1:
        shared->count(counter::moves);
        others_.add(std::move(one));
        break;
    case 2:
        shared->count(counter::moves);
        if (auto other = others_.take())
            leases_.push_back(std::move(*other));
        break;
    case 3: // from a handler of Asio's
        shared->count(counter::drops);
        asio::post(ex_, [kept = std::make_shared<held_lease>(std::move(one))] {});
        break;
    default:
        shared->count(counter::drops);
    }
}

awaitable<void> agent::look()
{
    if (leases_.empty())
        co_return;
    held_lease one = remove(leases_);
    const bool has_tcp = (one.noted.where() & tcp_cells) != 0;
    const bool everywhere = (one.noted.where() & tcp_cells) == tcp_cells;
    shared->count(counter::looks);
    std::error_code ec;
    const wait_options patience = {.timeout =
                                       std::chrono::microseconds(pick(chance_, 4000))};

    if (everywhere && one.noted.how() == hold::sealed) {
        const port_owner there = owner(one.noted.port(), ec);
        check_error(ec, false, "owner()");
        expect(there.state == port_state::bound, "the port of a sealed lease is bound");
        wait_until_listening(one.thing, patience, ec);
        expect(ec == std::errc::timed_out, "nobody listens on a sealed lease");
        wait_until_released(one.thing, patience, ec);
        expect(!ec,
               "nobody but its holder has a socket on a sealed lease: " + ec.message());
    } else if (has_tcp && one.noted.how() == hold::open) {
        const bool ipv6 = (one.noted.where() & 0b100) != 0;
        const auto address = ipv6 ? asio::ip::address(asio::ip::address_v6::loopback())
                             : (one.noted.where() & 0b001) != 0
                                 ? asio::ip::address(asio::ip::address_v4::loopback())
                                 : asio::ip::make_address("127.0.0.2");
        auto server = bind_foreign(address, one.noted.port(), false, {.address = true});
        const bool listens = server && ::listen(server->get(), 4) == 0;
        std::error_code waited;
        try {
            co_await co_wait_until_listening(
                one.thing, wait_options{.timeout = listens ? clock::duration(10s)
                                                           : patience.timeout});
        } catch (const std::system_error& e) {
            waited = e.code();
        }
        check_error(waited, !listens && waited == std::errc::timed_out,
                    "co_wait_until_listening()");
        if (listens) {
            // Another foreign server may be on the port as well, on another address.
            wait_until_listening(
                one.noted.port(),
                {.timeout = 10s, .process_tree = std::uint32_t(::getpid())}, ec);
            check_error(ec, ec == error::wrong_owner,
                        "wait_until_listening() with a tree");
        }
        server.reset();
        asio::steady_timer timer(ex_, std::chrono::microseconds(pick(chance_, 3000)));
        try {
            co_await (co_wait_until_released(one.thing, patience) ||
                      timer.async_wait(use_awaitable));
        } catch (const std::system_error& e) {
            check_error(e.code(), e.code() == std::errc::timed_out,
                        "co_wait_until_released()");
        }
    } else {
        (void)owner(one.noted.port(), ec);
        check_error(ec, false, "owner()");
    }
    check_still_held(one);
    leases_.push_back(std::move(one));
}

void agent::in_the_child()
{
    std::error_code ec;
    for (held_lease& one : leases_) {
        expect(one.thing.valid(), "a lease in a child stays valid");
        one.thing.open(ec);
        expect(ec == error::lease_empty, "open() in a child: " + ec.message());
        one.thing.seal(ec);
        expect(ec == error::lease_empty, "seal() in a child: " + ec.message());
        one.thing = port_lease(); // the record is the parent's
    }
    expect(process_counters().granted == 0, "the counters of a child begin at zero");

    find_options options = any_find_options(chance_);
    options.wait = {};
    options.browser_safe = false;
    const std::uint64_t asked = shared->now();
    port_lease own = find_unused_port(options, ec);
    check_error(ec, ec == error::ports_exhausted && may_be_exhausted(options.ports),
                "in a child: " + describe(options));
    if (!ec) {
        record noted = note(own, options, asked);
        const held_lease both(std::move(own), std::move(noted), 0);
    }
}

awaitable<void> agent::fork_child()
{
    shared->count(counter::forks);
    const pid_t parent = ::getpid();
    const bool watched = !leases_.empty() && once_in(chance_, 2);
    const pid_t child = ::fork();
    if (child < 0)
        throw std::system_error(errno, std::system_category(), "fork");
    if (child == 0) {
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (::getppid() == parent)
            in_the_child();
        ::_exit(0);
    }
    if (watched) {
        // Ends with the child, unless a foreign server comes.
        std::error_code ec;
        wait_until_listening(leases_.front().thing,
                             {.timeout = 10s, .child = std::uint32_t(child)}, ec);
        check_error(ec, ec == error::process_ended, "wait_until_listening() for a child");
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0,
           "a forked child ends well: status " + std::to_string(status));
    for (const held_lease& one : leases_)
        check_still_held(one);
    co_return;
}

awaitable<void> agent::ask_wrongly()
{
    shared->count(counter::faulty_options);
    find_options none = any_find_options(chance_);
    error expected = error::no_ports;
    switch (pick(chance_, 6)) {
    case 0:
        none.ports = port_set();
        break;
    case 1:
        none.ports = port_range{7000, 6000};
        expected = error::invalid_range;
        break;
    case 2:
        none.preferred = std::uint16_t(0);
        expected = error::invalid_preferred;
        break;
    case 3:
        none.transports = transports(0);
        expected = error::invalid_transports;
        break;
    case 4:
        none.addresses = asio::ip::address_v4::loopback();
        none.families = families::v6;
        expected = error::invalid_families;
        break;
    default:
        none.ports = port_range{6665, 6669};
        none.browser_safe = true;
    }
    std::error_code ec;
    if (once_in(chance_, 2)) {
        (void)find_unused_port(none, ec);
    } else {
        try {
            (void)co_await co_find_unused_port(none);
        } catch (const std::system_error& e) {
            ec = e.code();
        }
    }
    expect(ec == expected, "faulty options are an error: " + ec.message());
}

// A client that comes before the server is refused, and never connected to itself.
awaitable<void> agent::visit()
{
    if (leases_.empty())
        co_return;
    const held_lease& one = leases_[pick(chance_, unsigned(leases_.size()))];
    if ((one.noted.where() & tcp_cells) != tcp_cells)
        co_return;
    const auto client =
        connect_foreign(asio::ip::address_v4::loopback(), one.noted.port());
    expect(!client || one.noted.how() != hold::sealed,
           "nobody answers on a sealed lease");
    expect(!client || client->port() != one.noted.port(),
           "a client is not connected to itself");
    co_return;
}

// --- contexts ------------------------------------------------------------------------------

// The agent ends with the coroutine, while the context of its sockets is there.
awaitable<void> run_agent(std::unique_ptr<agent> one)
{
    co_await one->run();
}

void report_failure(std::exception_ptr failure)
{
    try {
        if (failure)
            std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        shared->fail(std::string("an agent ended: ") + e.what());
    }
}

// Runs agents on a context of some kind, until they end or the context is stopped under them.
void run_context(generator& chance, survivors& others)
{
    const unsigned agents = 1 + pick(chance, 4);
    const unsigned kind = pick(chance, 3);
    const bool to_stop = once_in(chance, 2);
    const auto end = clock::now() + std::chrono::milliseconds(50 + pick(chance, 1500));
    const auto agents_end = to_stop ? end + 1h : end;

    const auto spawn = [&](auto& context) {
        for (unsigned i = 0; i < agents; ++i) {
            asio::any_io_executor ex = context.get_executor();
            if (kind != 0)
                ex = asio::make_strand(context);
            auto one =
                std::make_unique<agent>(ex, generator(chance()), i, others, agents_end);
            asio::co_spawn(ex, run_agent(std::move(one)), report_failure);
        }
    };
    // The soak's end comes from outside: the time is looked at again and again.
    const auto wait_for_end = [&](auto& context) {
        const auto timer = std::make_shared<asio::steady_timer>(context);
        const auto look = [&context, timer, end](auto self) -> void {
            timer->expires_after(5ms);
            timer->async_wait([&context, timer, end, self](std::error_code) {
                if (shared->over || clock::now() > end)
                    context.stop();
                else
                    self(self);
            });
        };
        look(look);
    };

    if (kind == 2) {
        asio::thread_pool pool(3);
        spawn(pool);
        if (to_stop)
            wait_for_end(pool);
        pool.join();
    } else {
        asio::io_context context(kind == 0 ? 1 : 3);
        spawn(context);
        if (to_stop)
            wait_for_end(context);
        std::vector<std::thread> threads;
        for (unsigned i = 0; kind == 1 && i < 2; ++i)
            threads.emplace_back([&] { context.run(); });
        context.run();
        for (std::thread& one : threads)
            one.join();
    }
    shared->count(counter::contexts);
    if (to_stop)
        shared->count(counter::contexts_stopped);
}

// The descriptors of this process, and what each is.
std::map<std::string, std::string> descriptors()
{
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone; // the one that lists the directory
        const std::string link =
            std::filesystem::read_symlink(entry.path(), gone).string();
        // berth keeps its rings as long as the process lives.
        if (!gone && link.find("/fd") == std::string::npos &&
            link.find("[io_uring]") == std::string::npos)
            all[entry.path().filename().string()] = link;
    }
    return all;
}

std::atomic<std::uint16_t> leak_meant = 0;

void hear(const report& told)
{
    if (told.what == incident::theft) {
        shared->count(counter::thefts);
        return;
    }
    if (told.port == leak_meant)
        shared->count(counter::leaks);
    else
        shared->fail("a lease of port " + std::to_string(told.port) + " was leaked");
}

port_lease find_or_nothing()
{
    std::error_code ec;
    return find_unused_port({}, ec);
}

} // namespace

const char* name_of_deed(unsigned number)
{
    return number < deed_names.size() ? deed_names[number] : "?";
}

void be_worker(generator chance)
{
    set_report_handler(hear);
    find_working_backends();
    const auto before = descriptors();
    const auto end = clock::now() + std::chrono::milliseconds(500 + pick(chance, 6000));
    survivors others;
    while (!shared->over && clock::now() < end) {
        ++shared->processes[my_slot].progress;
        run_context(chance, others);
        if (once_in(chance, 2))
            others.clear();
    }
    others.clear();

    for (const auto& [number, link] : descriptors())
        if (!before.contains(number))
            shared->fail("descriptor " + number + " is left: " + link);
    if (const std::string left = shared->leftovers(); !left.empty())
        shared->fail("left in the ledger:" + left);
    const counters done = process_counters();
    expect(done.granted >= granted_here, "every port found is counted");
    expect(done.tried >= done.refused, "who was refused had tried");
    shared->count(counter::refused, done.refused);

    if (once_in(chance, 4)) {
        // The report handler is to hear of it when the process ends.
        static const auto* const forgotten = new port_lease(find_or_nothing());
        if (forgotten->valid()) {
            leak_meant = forgotten->port();
            shared->count(counter::leaks_meant);
        }
    }
    shared->count(counter::processes);
}

} // namespace berth::soak
