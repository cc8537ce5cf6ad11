// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "../fork_registry.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <new>

namespace berth::detail {

namespace {

using std::chrono::steady_clock;

// --- the lock ----------------------------------------------------------------------------

// Atomics alone, since a mutex may be held by a thread that is not in the child, or by the code
// that the forking signal handler has interrupted.
constinit std::atomic<std::uint32_t> guards = 0;         // threads that have one
constinit std::atomic<std::uint32_t> waiting_guards = 0; // threads that wait for a fork
constinit std::atomic<bool> forking = false;             // one fork at a time

// What this thread has of the lock.
struct thread_state {
    unsigned guards = 0; // one inside the other; the first is counted
    unsigned forks = 0;  // likewise: a fork handler may fork
    bool counted = false;
    bool waits = false;
    bool excludes = false;
};
constinit thread_local thread_state here;

constexpr std::chrono::seconds longest_wait_for_guards{1};
constexpr std::chrono::seconds longest_wait_for_fork{10}; // it copies the page tables
constexpr std::chrono::milliseconds longest_wait_for_turn{20};

template <class Condition>
bool wait_until(Condition&& condition, steady_clock::duration longest) noexcept
{
    constexpr int yields = 64;
    constexpr timespec pause = {.tv_sec = 0, .tv_nsec = 50'000};
    const auto deadline = steady_clock::now() + longest;
    for (int i = 0; !condition(); ++i) {
        if (i < yields)
            ::sched_yield();
        else if (steady_clock::now() < deadline)
            ::nanosleep(&pause, nullptr);
        else
            return false;
    }
    return true;
}

bool try_enter() noexcept
{
    here.counted = true; // first: a signal handler may fork before the next line
    std::atomic_signal_fence(std::memory_order_seq_cst);
    guards.fetch_add(1);
    if (!forking.load())
        return true;
    guards.fetch_sub(1);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    here.counted = false;
    return false;
}

bool enter() noexcept
{
    if (here.guards++ != 0 || here.forks != 0)
        return false;
    if (try_enter())
        return true;

    // The next fork waits until those that wait for this one have had their turn.
    here.waits = true;
    waiting_guards.fetch_add(1);
    const bool entered = wait_until(&try_enter, longest_wait_for_fork);
    waiting_guards.fetch_sub(1);
    here.waits = false;
    return entered;
}

void leave(bool counted) noexcept
{
    if (counted) {
        guards.fetch_sub(1);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        here.counted = false;
    }
    --here.guards;
}

// --- the registry ------------------------------------------------------------------------

// A bit for each descriptor, which the child can read without a lock.
class descriptor_set {
public:
    void add(int descriptor) noexcept
    {
        const auto index = static_cast<std::size_t>(descriptor);
        if (index >= most)
            return;
        words_[index / bits].fetch_or(bit_of(index), std::memory_order_relaxed);
        std::size_t end = end_.load(std::memory_order_relaxed);
        while (end <= index / bits &&
               !end_.compare_exchange_weak(end, index / bits + 1,
                                           std::memory_order_relaxed)) {
        }
    }

    void remove(int descriptor) noexcept
    {
        const auto index = static_cast<std::size_t>(descriptor);
        if (index >= most)
            return;
        auto& word = words_[index / bits];
        if ((word.load(std::memory_order_relaxed) & bit_of(index)) != 0)
            word.fetch_and(~bit_of(index), std::memory_order_relaxed);
    }

    void close_all() noexcept
    {
        const std::size_t end = end_.exchange(0);
        for (std::size_t i = 0; i < end; ++i)
            for (std::uint64_t left = words_[i].exchange(0); left != 0; left &= left - 1)
                ::close(static_cast<int>(i * bits + std::size_t(std::countr_zero(left))));
    }

private:
    static constexpr std::size_t bits = 64;
    static constexpr std::size_t most = 1U << 20U; // fs.nr_open is no more, by default

    static std::uint64_t bit_of(std::size_t index) noexcept
    {
        return std::uint64_t{1} << index % bits;
    }

    std::array<std::atomic<std::uint64_t>, most / bits> words_ = {};
    std::atomic<std::size_t> end_ = 0; // no bit is set from this word on
};

constinit descriptor_set registered;
constinit std::atomic<void (*)() noexcept> in_child = nullptr;

// --- the generation ----------------------------------------------------------------------

using generation_word = std::atomic<std::uint32_t>;

constinit generation_word latest = 0;     // of this process and those before it
constinit generation_word if_no_page = 0; // reset by the fork handler alone
constinit std::atomic<generation_word*> current = nullptr;

// Maps a word that is 0 in every new process, also in one that _Fork() or clone() made, for which no
// fork handler runs (MADV_WIPEONFORK, Linux 4.14).
generation_word* map_word() noexcept
{
    void* const page = ::mmap(nullptr, sizeof(generation_word), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return &if_no_page;
    if (::madvise(page, sizeof(generation_word), MADV_WIPEONFORK) == 0)
        return new (page) generation_word(0);
    ::munmap(page, sizeof(generation_word));
    return &if_no_page;
}

generation_word& word_of_process() noexcept
{
    generation_word* word = current.load(std::memory_order_acquire);
    if (word == nullptr) {
        generation_word* const mapped = map_word();
        word = current.compare_exchange_strong(word, mapped) ? mapped : word;
    }
    return *word;
}

// --- the handlers ------------------------------------------------------------------------

void before_fork()
{
    if (here.forks++ != 0 || here.guards != 0)
        return;
    const auto take_turn = [] { return !forking.exchange(true); };
    const auto is_my_turn = [&] { return waiting_guards.load() == 0 && take_turn(); };
    here.excludes = wait_until(is_my_turn, longest_wait_for_turn) ||
                    wait_until(take_turn, longest_wait_for_fork);
    (void)wait_until([] { return guards.load() == 0; }, longest_wait_for_guards);
}

void after_fork_in_parent()
{
    if (--here.forks == 0 && here.excludes) {
        here.excludes = false;
        forking.store(false);
    }
}

void after_fork_in_child()
{
    --here.forks;
    here.excludes = false;
    guards.store(here.counted ? 1 : 0);
    waiting_guards.store(here.waits ? 1 : 0);
    forking.store(false);

    registered.close_all();
    word_of_process().store(0);
    if (void (*const function)() noexcept = in_child.load())
        function();
}

[[maybe_unused]] const int watching =
    ::pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);

} // namespace

fork_guard::fork_guard() noexcept : counted_(enter()) {}

fork_guard::~fork_guard()
{
    leave(counted_);
}

void close_in_child(native_socket descriptor) noexcept
{
    registered.add(descriptor);
}

void keep_in_child(native_socket descriptor) noexcept
{
    registered.remove(descriptor);
}

std::uint32_t fork_generation() noexcept
{
    generation_word& word = word_of_process();
    std::uint32_t found = word.load(std::memory_order_relaxed);
    if (found == 0) { // the first look of a new process
        const std::uint32_t next = latest.fetch_add(1) + 1;
        found = word.compare_exchange_strong(found, next) ? next : found;
    }
    return found;
}

void call_in_child(void (*function)() noexcept) noexcept
{
    in_child.store(function);
}

} // namespace berth::detail
