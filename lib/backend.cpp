// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "backend.hpp"

#include <berth/error.hpp>

#include <array>
#include <cstdlib>

namespace berth {

namespace {

constexpr std::array all_backends = {backend::automatic, backend::io_uring,
                                     backend::syscalls, backend::winsock};

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

#if !BERTH_HAS_IO_URING
std::unique_ptr<port_backend> make_uring_backend()
{
    return nullptr;
}
#endif

backend_choice::backend_choice()
    : system_(make_system_backend()), uring_(make_uring_backend())
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

port_backend* backend_choice::choose(backend which, std::error_code& ec) noexcept
{
    ec.clear();
    const backend wanted = resolve(which);
    if (wanted == system_backend)
        return system_.get();
    if (wanted == backend::automatic && environment_valid_)
        return uring_ != nullptr ? uring_.get() : system_.get();
    if (wanted == backend::io_uring && uring_ != nullptr)
        ec = uring_->check();
    else
        ec = error::backend_unavailable;
    return ec ? nullptr : uring_.get();
}

std::vector<backend_status> backend_choice::status()
{
    std::vector<backend_status> all;
    if (uring_ != nullptr)
        all.push_back(uring_->status());
    else
        all.push_back({backend::io_uring, false,
                       BERTH_WINDOWS ? "on Linux only" : "berth was built without it"});
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

backend backend_choice::resolve(backend which) const noexcept
{
    return which == backend::automatic ? preferred_ : which;
}

} // namespace detail

} // namespace berth
