// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// A program whose first error of berth's is made when there is no memory. No framework, for it
// must be the first one.

#include <berth/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <system_error>

namespace {

bool fails = false;
int refused = 0;

} // namespace

// Not inlined, lest g++ take what one of them does for a mismatch; and all of them, lest a sanitizer
// find one.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept
{
    refused += fails ? 1 : 0;
    return fails ? nullptr : std::malloc(size != 0 ? size : 1);
}

[[gnu::noinline]] void* operator new(std::size_t size)
{
    void* const memory = operator new(size, std::nothrow);
    if (memory == nullptr)
        throw std::bad_alloc();
    return memory;
}

[[gnu::noinline]] void operator delete(void* memory) noexcept
{
    std::free(memory);
}

[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}

int main()
{
    fails = true;
    const std::error_code ec = berth::error::ports_exhausted;
    const bool same = ec == std::errc::address_in_use &&
                      ec.category() == berth::error_category() &&
                      &berth::error_category() == &ec.category();
    fails = false;

    std::printf("%s: %s, %d allocations were refused\n", ec.category().name(),
                ec.message().c_str(), refused);
    return same && refused == 0 ? 0 : 1;
}
