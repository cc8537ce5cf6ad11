// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "waiting_line.hpp"

#include "allocator.hpp"

#include <berth/error.hpp>

#include <algorithm>
#include <condition_variable>
#include <span>

namespace berth::detail {

namespace {

// At most a tenth of the time goes into tries, each of which may be thousands of system calls.
constexpr int pauses_per_try = 9;

// Whether what would answer the one would answer the other.
bool alike(const request& one, const request& other) noexcept
{
    return one.ports == other.ports && one.pattern == other.pattern &&
           one.preferred == other.preferred && one.browser_safe == other.browser_safe &&
           one.transports == other.transports &&
           (one.what == product::udp_socket) == (other.what == product::udp_socket) &&
           one.families == other.families &&
           std::equal(one.addresses.begin(), one.addresses.end(), other.addresses.begin(),
                      other.addresses.end());
}

bool wants(const request& asked, std::uint16_t port, bool by_default) noexcept
{
    return asked.preferred == port ||
           (asked.ports ? asked.ports->contains(port) : by_default);
}

waiter::clock::time_point later(waiter::clock::duration wait) noexcept
{
    const auto now = waiter::clock::now();
    return wait < waiter::clock::time_point::max() - now
               ? now + wait
               : waiter::clock::time_point::max();
}

/// Tells the line when its context ends. Made after Asio's services for timers, it is shut down
/// before them: these must not be called any more while they are.
class waiting_service final : public asio::execution_context::service {
public:
    static asio::execution_context::id id; // Asio's name for it

    explicit waiting_service(asio::execution_context& context) : service(context) {}

private:
    void shutdown() noexcept override
    {
        if (waiting_line* const line = allocator::line())
            line->shut_down(context());
    }
};

asio::execution_context::id waiting_service::id;

/// Waits in the calling thread.
class blocked final : public waiter {
public:
    explicit blocked(request& asked) noexcept : waiter(asked), asked_(asked) {}
    blocked(const blocked&) = delete;
    blocked& operator=(const blocked&) = delete;
    ~blocked() override { leave(); }

    void run() noexcept
    {
        (void)line_up();
        do {
            if (awake()) {
                request* const batch = &asked_;
                allocator::answer(std::span(&batch, 1));
            } else {
                asked_.ec = error::ports_exhausted;
            }
        } while (asked_.ec == error::ports_exhausted && sleep_here());
    }

private:
    bool sleep_here() noexcept
    {
        if (!sleep())
            return false;
        std::unique_lock lock(mutex_);
        woken_.wait_until(lock, until_, [this] { return is_woken_; });
        return true;
    }

    bool arm(clock::time_point until) noexcept override
    {
        const std::lock_guard lock(mutex_);
        until_ = until;
        is_woken_ = false;
        return true;
    }

    void wake() noexcept override
    {
        {
            const std::lock_guard lock(mutex_);
            is_woken_ = true;
        }
        woken_.notify_one();
    }

    request& asked_;
    std::mutex mutex_;
    std::condition_variable woken_;
    clock::time_point until_;
    bool is_woken_ = false;
};

} // namespace

waiter::waiter(const request& asked) noexcept
    : asked_(asked), deadline_(later(asked.wait)), pause_(waiting_line::first_pause)
{}

bool waiter::line_up() noexcept
{
    waiting_line* const line = allocator::line();
    return line != nullptr && !line->empty() && line->line_up(*this, clock::now());
}

bool waiter::awake() noexcept
{
    waiting_line* const line = allocator::line();
    return line == nullptr || line->awake(*this, clock::now());
}

bool waiter::sleep() noexcept
{
    waiting_line* const line = allocator::line();
    return line != nullptr && line->sleep(*this, clock::now());
}

void waiter::leave() noexcept
{
    if (waiting_line* const line = allocator::line())
        line->leave(*this, clock::now());
}

void waiter::rouse() noexcept
{
    if (waiting_line* const line = allocator::line())
        line->rouse(*this);
}

void waiter::depend_on(asio::execution_context& context)
{
    (void)asio::use_service<waiting_service>(context);
    context_ = &context;
}

bool waiting_line::line_up(waiter& one, clock::time_point now) noexcept
{
    const std::lock_guard lock(mutex_);
    if (*find_line(one) == nullptr)
        return false;
    append(one, now);
    return true;
}

bool waiting_line::awake(waiter& one, clock::time_point now) noexcept
{
    const std::lock_guard lock(mutex_);
    one.asleep_ = false;
    one.again_ = false;
    one.due_ = now;
    one.started_ = now;
    return !contains(one) || is_front(one, now);
}

bool waiting_line::sleep(waiter& one, clock::time_point now) noexcept
{
    const std::lock_guard lock(mutex_);
    if (now >= one.deadline_)
        return false;
    if (!contains(one)) {
        append(one, now);
        // A port may have come back between its try and this moment.
        one.again_ = one.again_ || one.ahead_ == nullptr;
    }
    if (one.again_)
        one.due_ = now;
    else
        one.due_ = now + (is_front(one, now) ? next_pause(one, now) : patience);
    one.due_ = std::min(one.due_, one.deadline_);
    one.asleep_ = true;
    if (one.arm(one.due_))
        return true; // from now on another thread may be at work for it
    one.asleep_ = false;
    return false;
}

void waiting_line::leave(waiter& one, clock::time_point now) noexcept
{
    const std::lock_guard lock(mutex_);
    one.asleep_ = false;
    if (contains(one))
        remove(one, now);
}

void waiting_line::rouse(waiter& one) noexcept
{
    const std::lock_guard lock(mutex_);
    end_sleep(one);
}

void waiting_line::returned(std::uint16_t port, bool by_default,
                            clock::time_point now) noexcept
{
    const std::lock_guard lock(mutex_);
    for (waiter* first = lines_; first != nullptr; first = first->other_line_)
        if (wants(first->asked_, port, by_default))
            signal(first, now);
}

void waiting_line::shut_down(const asio::execution_context& context) noexcept
{
    const std::lock_guard lock(mutex_);
    const auto now = clock::now();
    for (waiter* first = lines_; first != nullptr;) {
        waiter* const other_line = first->other_line_;
        for (waiter* one = first; one != nullptr;) {
            waiter* const behind = one->behind_;
            if (one->context_ == &context) {
                one->asleep_ = false;
                one->disarm();
                remove(*one, now);
            }
            one = behind;
        }
        first = other_line;
    }
}

// Where the first of its line is noted; there is none, where nobody waits for the same.
waiter** waiting_line::find_line(const waiter& like) noexcept
{
    waiter** first = &lines_;
    while (*first != nullptr && !alike((*first)->asked_, like.asked_))
        first = &(*first)->other_line_;
    return first;
}

void waiting_line::append(waiter& one, clock::time_point now) noexcept
{
    waiter** const first = find_line(one);
    one.line_ = this;
    one.ahead_ = nullptr;
    one.behind_ = nullptr;
    one.other_line_ = nullptr;
    one.due_ = now;
    if (*first != nullptr) {
        one.ahead_ = (*first)->last_;
        one.ahead_->behind_ = &one;
    } else {
        *first = &one;
    }
    (*first)->last_ = &one;
    size_.fetch_add(1);
}

void waiting_line::remove(waiter& one, clock::time_point now) noexcept
{
    const bool front = is_front(one, now);
    waiter** const first = find_line(one);
    one.line_ = nullptr;
    size_.fetch_sub(1);

    if (one.behind_ != nullptr)
        one.behind_->ahead_ = one.ahead_;
    else
        (*first)->last_ = one.ahead_;
    if (one.ahead_ != nullptr) {
        one.ahead_->behind_ = one.behind_;
    } else if (one.behind_ != nullptr) {
        one.behind_->last_ = one.last_;
        one.behind_->other_line_ = one.other_line_;
        *first = one.behind_;
    } else {
        *first = one.other_line_;
        return;
    }
    if (front) // more than one port may have come back
        signal(*first, now);
}

waiting_line::clock::duration waiting_line::next_pause(waiter& one,
                                                       clock::time_point now) noexcept
{
    using rep = clock::rep;
    const clock::duration pause = one.pause_;
    one.pause_ = std::min(2 * pause, longest_pause);
    // Processes that wait for the same must not go on trying at the same moments.
    std::uniform_int_distribution<rep> some(pause.count() / 2, pause.count());
    const clock::duration long_enough = pauses_per_try * (now - one.started_);
    return std::max(clock::duration(some(random_)), std::min(long_enough, patience));
}

// Has the front of a line try, and those before it, should they be at work again.
void waiting_line::signal(waiter* first, clock::time_point now) noexcept
{
    for (waiter* one = first; one != nullptr; one = one->behind_) {
        const bool late = is_late(*one, now);
        one->due_ = std::min(one->due_, now);
        end_sleep(*one);
        if (!late)
            return;
    }
}

void waiting_line::end_sleep(waiter& one) noexcept
{
    one.again_ = true;
    if (one.asleep_) {
        one.asleep_ = false;
        one.wake();
    }
}

bool waiting_line::is_late(const waiter& one, clock::time_point now) noexcept
{
    return now - one.due_ > patience;
}

bool waiting_line::is_front(const waiter& one, clock::time_point now) noexcept
{
    const waiter* other = one.ahead_;
    while (other != nullptr && is_late(*other, now))
        other = other->ahead_;
    return other == nullptr;
}

void allocate_patiently(request& asked) noexcept
{
    blocked(asked).run();
}

} // namespace berth::detail
