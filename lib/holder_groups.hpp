// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "lease_holder.hpp"

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace berth::detail {

/// A socket that holds a port for a lease.
struct holder {
    lease_holder* by;
    std::uint32_t handle;
    holder_kind kind;
};

/// The leases that have several holders, of one port each. Threads: any.
class holder_groups final : public lease_holder {
public:
    /// A handle for a lease with these holders, two or more. Throws std::bad_alloc.
    [[nodiscard]] std::uint32_t add(std::vector<holder> holders);

    void close(std::uint32_t handle) noexcept override;
    void close_soon(std::uint32_t handle) noexcept override;
    std::optional<holder_kind>
    close_first_of_several(std::uint32_t handle) noexcept override;

    /// All or none: where one fails those before it are set back.
    [[nodiscard]] std::error_code set_mode(std::uint32_t handle, holder_kind kind,
                                           lease_mode mode) noexcept override;

    [[nodiscard]] unique_socket duplicate(std::uint32_t handle,
                                          std::error_code& ec) noexcept override;
    [[nodiscard]] protocol_info duplicate_for(std::uint32_t handle, std::uint32_t process,
                                              std::error_code& ec) noexcept override;

private:
    [[nodiscard]] std::vector<holder> remove(std::uint32_t handle) noexcept;
    [[nodiscard]] std::span<const holder> members(std::uint32_t handle) noexcept;

    std::mutex mutex_;
    std::vector<std::vector<holder>> groups_; // by handle
    std::vector<std::uint32_t> free_;         // handles; there is room for all
};

} // namespace berth::detail
