// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/ip/address.hpp>

#include <array>
#include <concepts>
#include <cstddef>

namespace berth {

/// Up to four addresses. It holds no memory of its own.
///
/// Example:
/// @code
/// auto lease = berth::find_unused_port({.addresses = {asio::ip::address_v4::loopback(),
///                                                     asio::ip::address_v6::loopback()}});
/// @endcode
class address_list {
public:
    /// How many there may be.
    static constexpr std::size_t max_size = 4;

    /// No address.
    address_list() noexcept = default;

    /// These addresses.
    template <std::convertible_to<asio::ip::address>... Addresses>
    requires(sizeof...(Addresses) > 0 && sizeof...(Addresses) <= max_size)
        // NOLINTNEXTLINE(google-explicit-constructor): for a braced list, and for one address
        address_list(const Addresses&... addresses)
    noexcept : addresses_{asio::ip::address(addresses)...}, size_(sizeof...(Addresses)) {}

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] const asio::ip::address* begin() const noexcept
    {
        return addresses_.data();
    }

    [[nodiscard]] const asio::ip::address* end() const noexcept
    {
        return addresses_.data() + size_;
    }

private:
    // No std::initializer_list and no std::vector: g++ 12 refuses the first in an operand of
    // co_await, and destroys a temporary aggregate there twice.
    std::array<asio::ip::address, max_size> addresses_ = {};
    std::size_t size_ = 0;
};

} // namespace berth
