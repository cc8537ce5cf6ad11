// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "holder_groups.hpp"

#include <utility>

namespace berth::detail {

std::uint32_t holder_groups::add(std::vector<holder> holders)
{
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
        groups_.emplace_back();
        free_.reserve(groups_.capacity());
        free_.push_back(static_cast<std::uint32_t>(groups_.size() - 1));
    }
    const std::uint32_t handle = free_.back();
    free_.pop_back();
    groups_[handle] = std::move(holders);
    return handle;
}

std::vector<holder> holder_groups::remove(std::uint32_t handle) noexcept
{
    const std::lock_guard lock(mutex_);
    free_.push_back(handle);
    return std::exchange(groups_[handle], {});
}

// They stay where they are until the same lease is told to change them, whatever happens to the
// other groups.
std::span<const holder> holder_groups::members(std::uint32_t handle) noexcept
{
    const std::lock_guard lock(mutex_);
    return groups_[handle];
}

void holder_groups::close(std::uint32_t handle) noexcept
{
    // In the child of a fork nobody may be left to unlock the mutex.
    if (disowned())
        return;
    for (const holder& one : remove(handle))
        one.by->close(one.handle);
}

void holder_groups::close_soon(std::uint32_t handle) noexcept
{
    for (const holder& one : remove(handle))
        one.by->close_soon(one.handle);
}

std::optional<holder_kind>
holder_groups::close_first_of_several(std::uint32_t handle) noexcept
{
    if (members(handle).size() == 1)
        return std::nullopt;
    const holder closed = members(handle).front();
    {
        const std::lock_guard lock(mutex_);
        groups_[handle].erase(groups_[handle].begin());
    }
    closed.by->close(closed.handle);
    return members(handle).front().kind;
}

std::error_code holder_groups::set_mode(std::uint32_t handle, holder_kind,
                                        lease_mode mode) noexcept
{
    const auto group = members(handle);
    for (std::size_t i = 0; i < group.size(); ++i) {
        const std::error_code ec =
            group[i].by->set_mode(group[i].handle, group[i].kind, mode);
        if (!ec)
            continue;
        const lease_mode before =
            mode == lease_mode::open ? lease_mode::sealed : lease_mode::open;
        for (const holder& changed : group.first(i))
            (void)changed.by->set_mode(changed.handle, changed.kind, before);
        return ec;
    }
    return {};
}

unique_socket holder_groups::duplicate(std::uint32_t handle, std::error_code& ec) noexcept
{
    const holder first = members(handle).front();
    return first.by->duplicate(first.handle, ec);
}

protocol_info holder_groups::duplicate_for(std::uint32_t handle, std::uint32_t process,
                                           std::error_code& ec) noexcept
{
    const holder first = members(handle).front();
    return first.by->duplicate_for(first.handle, process, ec);
}

} // namespace berth::detail
