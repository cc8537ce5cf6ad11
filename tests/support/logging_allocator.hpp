// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace berth::testing {

/// Counts what it gives out, and fails at the n-th call.
struct allocation_log {
    std::size_t calls = 0;
    std::size_t live = 0;
    std::size_t fail_at = static_cast<std::size_t>(-1);
};

template <class T>
struct logging_allocator {
    using value_type = T;

    explicit logging_allocator(allocation_log& l) : log(&l) {}
    template <class U>
    logging_allocator(const logging_allocator<U>& other)
        : log(other.log) // NOLINT: allocators do
    {}

    T* allocate(std::size_t n)
    {
        if (log->calls++ == log->fail_at)
            throw std::bad_alloc();
        ++log->live;
        return std::allocator<T>().allocate(n);
    }

    void deallocate(T* p, std::size_t n)
    {
        --log->live;
        std::allocator<T>().deallocate(p, n);
    }

    friend bool operator==(const logging_allocator&, const logging_allocator&) = default;

    allocation_log* log;
};

template <>
struct logging_allocator<void> {
    using value_type = void;
    explicit logging_allocator(allocation_log& l) : log(&l) {}
    template <class U>
    logging_allocator(const logging_allocator<U>& other)
        : log(other.log) // NOLINT: allocators do
    {}
    friend bool operator==(const logging_allocator&, const logging_allocator&) = default;

    allocation_log* log;
};

} // namespace berth::testing
