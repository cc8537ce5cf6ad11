// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/operation.hpp>
#include <berth/detail/waiter.hpp>

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace berth::detail {

/// Keeps the context of an executor from running out of work.
template <class Executor>
using tracked_work = std::decay_t<typename asio::prefer_result<
    const Executor&, asio::execution::outstanding_work_t::tracked_t>::type>;

/// An operation together with what only the caller's types can do: to be posted, and to call
/// the completion handler. `Answer` turns the request's answer into the value for the handler.
template <class Answer, class Handler, class Executor>
class pending final : public operation {
    using handler_executor = asio::associated_executor_t<Handler, Executor>;
    using handler_allocator = asio::associated_allocator_t<Handler>;
    using memory = typename std::allocator_traits<
        handler_allocator>::template rebind_traits<pending>;

    struct deleter {
        void operator()(pending* op) const noexcept
        {
            typename memory::allocator_type from(
                asio::get_associated_allocator(op->handler_));
            memory::destroy(from, op);
            memory::deallocate(from, op, 1);
        }
    };

    using owner = std::unique_ptr<pending, deleter>;

public:
    template <class Options>
    static void start(Handler&& handler, const Executor& ex, const Options& options)
    {
        typename memory::allocator_type from(asio::get_associated_allocator(handler));
        owner op = make(from, std::move(handler), ex, options);
        if (op->asked.wait.count() > 0) {
            op->place_.emplace(*op);
            op->join(asio::query(ex, asio::execution::context), *op->place_);
        } else {
            op->join(asio::query(ex, asio::execution::context));
        }

        if (auto slot = asio::get_associated_cancellation_slot(op->handler_);
            slot.is_connected())
            slot.template emplace<canceller>(*op);
        post(std::move(op));
    }

    // Public for std::allocator_traits only.
    template <class Options>
    pending(Handler&& handler, const Executor& ex, const Options& options)
        : operation(Answer::ask(options)), handler_(std::move(handler)), executor_(ex),
          value_(Answer::make_value(ex))
    {
        // Where it is the same executor the posted turn is its work.
        const handler_executor to = asio::get_associated_executor(handler_, executor_);
        if (!same(to, executor_))
            handler_work_.emplace(
                asio::prefer(to, asio::execution::outstanding_work_t::tracked));
    }

    pending(const pending&) = delete;
    pending& operator=(const pending&) = delete;
    ~pending() { clear_slot(); }

private:
    /// Cancels the operation, from its cancellation slot. It and the operation know of each other, since
    /// either may end first: the slot is cleared while its signal is there, and only then.
    class canceller {
    public:
        explicit canceller(pending& op) noexcept : op_(op) { op.canceller_ = this; }
        canceller(const canceller&) = delete;
        canceller& operator=(const canceller&) = delete;
        ~canceller() { op_.canceller_ = nullptr; }

        void operator()(asio::cancellation_type type)
        {
            if (type == asio::cancellation_type::none)
                return;
            op_.cancel();
            if (op_.place_)
                op_.place_->rouse();
        }

    private:
        pending& op_;
    };

    void clear_slot() noexcept
    {
        if (canceller_ != nullptr)
            asio::get_associated_cancellation_slot(handler_).clear();
    }

    struct turn_handler {
        using allocator_type = handler_allocator;

        allocator_type get_allocator() const noexcept
        {
            return asio::get_associated_allocator(op->handler_);
        }

        void operator()() { take_turn(std::move(op)); }

        owner op;
    };

    // The place in the waiting line of a request that may wait. While it sleeps the operation
    // belongs to the handler of the timer. Calls on one of Asio's timers must not overlap: those
    // that another thread's may meet are made with the line locked.
    class place final : public waiter {
    public:
        explicit place(pending& op) noexcept : waiter(op.asked), op_(op) {}
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place() override { leave(); }

        /// True: the operation belongs to the timer.
        [[nodiscard]] bool sleep() noexcept
        {
            try {
                if (!timer_) {
                    timer_.emplace(op_.executor_);
                    depend_on(asio::query(op_.executor_, asio::execution::context));
                }
            } catch (...) {
                return false;
            }
            return waiter::sleep();
        }

        /// There is an answer: neither the line nor the context is needed any more.
        void end() noexcept
        {
            leave();
            timer_.reset();
        }

    private:
        using timer =
            asio::basic_waitable_timer<waiter::clock, asio::wait_traits<waiter::clock>,
                                       Executor>;

        bool arm(waiter::clock::time_point until) noexcept override
        {
            // Where Asio has no memory for the timer it destroys the handler that it has taken: the
            // operation, which is at work here, must not end with it.
            op_.arming_ = true;
            bool armed = false;
            try {
                timer_->expires_at(until);
                timer_->async_wait(alarm_handler{alarm_owner(&op_)});
                armed = true;
            } catch (...) {
            }
            op_.arming_ = false;
            return armed;
        }

        void wake() noexcept override { timer_->cancel(); }
        void disarm() noexcept override { timer_.reset(); }

        pending& op_;
        std::optional<timer> timer_;
    };

    struct alarm_deleter {
        void operator()(pending* op) const noexcept
        {
            if (!op->arming_)
                deleter()(op);
        }
    };

    using alarm_owner = std::unique_ptr<pending, alarm_deleter>;

    struct alarm_handler {
        using allocator_type = handler_allocator;

        allocator_type get_allocator() const noexcept
        {
            return asio::get_associated_allocator(op->handler_);
        }

        void operator()(const std::error_code&) { take_turn(owner(op.release())); }

        alarm_owner op;
    };

    struct completer {
        void operator()() { complete(std::move(op)); }

        owner op;
    };

    template <class Options>
    static owner make(typename memory::allocator_type from, Handler&& handler,
                      const Executor& ex, const Options& options)
    {
        pending* const raw = memory::allocate(from, 1);
        try {
            memory::construct(from, raw, std::move(handler), ex, options);
        } catch (...) {
            memory::deallocate(from, raw, 1);
            throw;
        }
        return owner(raw);
    }

    static void post(owner op)
    {
        const Executor ex = op->executor_;
        asio::post(ex, turn_handler{std::move(op)});
    }

    static void take_turn(owner op)
    {
        if (op->place_) {
            if (!op->turn(*op->place_) && op->place_->sleep()) {
                (void)op.release();
                return;
            }
            op->place_->end();
        } else {
            op->turn();
        }
        const handler_executor to =
            asio::get_associated_executor(op->handler_, op->executor_);
        if (same(to, op->executor_))
            complete(std::move(op));
        else
            asio::dispatch(to, completer{std::move(op)});
    }

    static bool same(const handler_executor& to, const Executor& ex) noexcept
    {
        if constexpr (std::is_same_v<handler_executor, Executor>)
            return to == ex;
        else
            return false;
    }

    static void complete(owner op)
    {
        op->clear_slot();
        // A cancellation that came before this moment is honoured: `op` drops the answer.
        std::error_code ec;
        if (op->cancelled())
            op->asked.ec = asio::error::operation_aborted;
        auto value = Answer::take(op->asked, std::move(op->value_), ec);
        auto failure = Answer::failure(ec, op->asked);

        // The memory goes back first, for what the handler starts next.
        typename memory::allocator_type from(
            asio::get_associated_allocator(op->handler_));
        pending* const done = op.release();
        Handler handler(std::move(done->handler_));
        memory::destroy(from, done);
        memory::deallocate(from, done, 1);
        std::move(handler)(std::move(failure), std::move(value));
    }

    Handler handler_;
    Executor executor_;
    typename Answer::value_type value_; // made where making it may throw
    std::optional<tracked_work<handler_executor>> handler_work_;
    std::optional<place> place_;     // where it may wait
    canceller* canceller_ = nullptr; // in the slot, while both are there
    bool arming_ = false;            // its timer
};

/// The initiating function objects of every operation that goes through a context's queue: on an
/// executor that is given,
template <class Answer, class Executor>
class initiate {
public:
    using executor_type = Executor;

    explicit initiate(const Executor& ex) : executor_(ex) {}

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }

    template <class Handler, class Options>
    void operator()(Handler&& handler, const Options& options) const
    {
        using stored = std::decay_t<Handler>;
        stored copy(std::forward<Handler>(handler));
        pending<Answer, stored, Executor>::start(std::move(copy), executor_, options);
    }

private:
    Executor executor_;
};

/// or on that of the coroutine that awaits it.
template <class Answer>
struct initiate_here {
    template <class Handler, class Options>
    void operator()(Handler&& handler, const Options& options) const
    {
        using executor = asio::associated_executor_t<std::decay_t<Handler>>;
        const initiate<Answer, executor> there(asio::get_associated_executor(handler));
        there(std::forward<Handler>(handler), options);
    }
};

/// An answer whose failure a coroutine throws.
template <class Answer>
struct thrown : Answer {
    static std::exception_ptr failure(const std::error_code& ec,
                                      const request& asked) noexcept
    {
        return ec ? make_exception(ec, Answer::co_verb, asked) : std::exception_ptr();
    }
};

} // namespace berth::detail
