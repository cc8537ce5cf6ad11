// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backend.hpp"

#include <berth/error.hpp>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace berth {

namespace {

constexpr std::array all_backends = {backend::automatic, backend::io_uring,
                                     backend::syscalls, backend::winsock};

// Why io_uring was not used, where it could have been.
void note_fallback(const std::error_code& why, counters& tally) noexcept
{
    if (why == error::backend_unavailable)
        ++tally.fallback_unavailable;
    else if (why == std::errc::too_many_files_open ||
             why == std::errc::too_many_files_open_in_system ||
             why == std::errc::not_enough_memory)
        ++tally.fallback_no_resources;
    else
        ++tally.fallback_forbidden;
}

} // namespace

std::string_view to_string(backend which) noexcept
{
    switch (which) {
    case backend::automatic:
        return "automatic";
    case backend::io_uring:
        return "io_uring";
    case backend::syscalls:
        return "syscalls";
    case backend::winsock:
        return "winsock";
    }
    return "unknown";
}

namespace detail {

backend_choice::backend_choice() : system_(make_system_backend())
{
    // Read once, before the first thread can have a reason to change it.
    const char* const value =
        std::getenv("BERTH_BACKEND"); // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr || *value == '\0')
        return;
    environment_ = value;
    environment_valid_ = false;
    for (const backend which : all_backends) {
        if (environment_ == to_string(which)) {
            preferred_ = which;
            environment_valid_ = true;
        }
    }
}

port_backend* backend_choice::choose(backend which, std::error_code& ec,
                                     counters& tally) noexcept
{
    const backend wanted = resolve(which);
    if (wanted == backend::io_uring)
        return uring(ec);
    if (wanted == backend::automatic && environment_valid_) {
        if (port_backend* const ring = uring(ec))
            return ring;
        note_fallback(ec, tally);
    }
    if (wanted == system_backend ||
        (wanted == backend::automatic && environment_valid_)) {
        ec.clear();
        return system_.get();
    }
    ec = error::backend_unavailable;
    return nullptr;
}

port_backend* backend_choice::instead_of(const port_backend* failed, backend which,
                                         const std::error_code& why,
                                         counters& tally) noexcept
{
    if (resolve(which) != backend::automatic || failed == system_.get())
        return nullptr;
    note_fallback(why, tally);
    return system_.get();
}

std::vector<backend_status> backend_choice::status()
{
    std::error_code ec;
    port_backend* const ring = uring(ec);
    const std::lock_guard lock(mutex_);
    std::vector<backend_status> all;
    all.push_back({backend::io_uring, ring != nullptr,
                   ring != nullptr ? std::string() : uring_reason_});
    for (const backend which : {backend::syscalls, backend::winsock}) {
        const bool there = which == system_backend;
        all.push_back({which, there,
                       there                        ? ""
                       : which == backend::syscalls ? "on POSIX systems only"
                                                    : "on Windows only"});
    }
    return all;
}

std::string backend_choice::why_unavailable(backend which)
{
    const backend wanted = resolve(which);
    if (wanted == backend::automatic)
        return "BERTH_BACKEND=" + environment_ +
               " names no back end; there are automatic, io_uring, syscalls and winsock";
    const std::string asked_by = which == backend::automatic ? "BERTH_BACKEND=" : "";
    const std::string name = asked_by + std::string(to_string(wanted));
    for (const backend_status& known : status())
        if (known.which == wanted && !known.available)
            return name + ": " + known.reason;
    return name + " was not available at the time";
}

void backend_choice::close_dropped() noexcept
{
    if (port_backend* const there = uring_there_.load())
        there->close_dropped();
}

void backend_choice::close_all_dropped() noexcept
{
    if (port_backend* const there = uring_there_.load())
        there->close_all_dropped();
}

void backend_choice::disown() noexcept
{
    system_->disown();
    if (port_backend* const ring = uring_there_.load())
        ring->disown();
}

backend backend_choice::resolve(backend which) const noexcept
{
    return which == backend::automatic ? preferred_ : which;
}

#if BERTH_HAS_IO_URING
port_backend* backend_choice::uring(std::error_code& ec) noexcept
{
    ec.clear();
    if (port_backend* const ring = uring_there_.load(std::memory_order_acquire))
        return ring;
    if (!uring_absent_.load(std::memory_order_acquire)) {
        const std::lock_guard lock(mutex_);
        try {
            if (uring_ == nullptr && !uring_absent_.load()) {
                uring_ = make_uring_backend();
                uring_there_.store(uring_.get(), std::memory_order_release);
            }
            if (uring_ != nullptr)
                return uring_.get();
        } catch (const std::system_error& e) {
            uring_reason_ = e.what();
            // A full descriptor table passes; what else fails will fail again.
            if (e.code().value() == EMFILE || e.code().value() == ENFILE) {
                ec = e.code();
                return nullptr;
            }
            // Locked memory is counted per user and given back late: other processes' rings
            // may go. A few calls find out.
            constexpr int attempts = 16;
            if (e.code() != std::errc::not_enough_memory || ++uring_attempts_ >= attempts)
                uring_absent_.store(true, std::memory_order_release);
        } catch (const std::bad_alloc&) {
            ec = std::make_error_code(std::errc::not_enough_memory);
            return nullptr;
        }
    }
    ec = error::backend_unavailable;
    return nullptr;
}
#else
port_backend* backend_choice::uring(std::error_code& ec) noexcept
{
    const std::lock_guard lock(mutex_);
    uring_reason_ = BERTH_WINDOWS ? "on Linux only" : "berth was built without it";
    ec = error::backend_unavailable;
    return nullptr;
}
#endif

} // namespace detail

} // namespace berth
