// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <berth/detail/config.hpp>

#include <cstdint>
#include <utility>

namespace berth::detail {

#if BERTH_WINDOWS
using native_socket = std::uintptr_t;
#else
using native_socket = int;
#endif

inline constexpr native_socket no_socket = static_cast<native_socket>(-1);

void close_socket(native_socket socket) noexcept;

/// Owns a socket of the operating system until somebody takes it.
class unique_socket {
public:
    unique_socket() noexcept = default;
    explicit unique_socket(native_socket socket) noexcept : socket_(socket) {}
    unique_socket(unique_socket&& other) noexcept : socket_(other.release()) {}

    unique_socket& operator=(unique_socket&& other) noexcept
    {
        unique_socket(std::move(other)).swap(*this);
        return *this;
    }

    ~unique_socket()
    {
        if (socket_ != no_socket)
            close_socket(socket_);
    }

    [[nodiscard]] native_socket get() const noexcept { return socket_; }
    native_socket release() noexcept { return std::exchange(socket_, no_socket); }

private:
    void swap(unique_socket& other) noexcept { std::swap(socket_, other.socket_); }

    native_socket socket_ = no_socket;
};

} // namespace berth::detail
