// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "port_hunt.hpp"

#include <berth/error.hpp>

namespace berth::detail {

port_hunt::step port_hunt::start()
{
    if (current_ != 0)
        return {current_, {}};
    if (preferred_ == 0)
        return next(error::no_ports);
    if (candidates_ != nullptr && candidates_->take_port(preferred_)) {
        taken_ = preferred_;
        if (shared_ != nullptr)
            mark(preferred_);
    }
    ++tries_;
    current_ = preferred_;
    return {current_, {}};
}

port_hunt::step port_hunt::refused(std::uint16_t port, std::error_code ec)
{
    current_ = 0;
    const bool denied = ec == std::errc::permission_denied;
    if (!denied && ec != std::errc::address_in_use)
        return {0, ec};
    ++refusals_;
    if (only_)
        return {0, ec};

    tried().all_denied = tried().all_denied && denied;
    if (candidates_ != nullptr && candidates_->range().contains(port))
        mark(port);
    return next(tried().all_denied ? ec : make_error_code(error::ports_exhausted));
}

port_hunt::step port_hunt::next(std::error_code otherwise)
{
    if (candidates_ == nullptr)
        return {};
    taken_ = candidates_->take(tried().by_offset);
    if (taken_ == 0)
        return {0, otherwise};
    ++tries_;
    // What the others must not take meanwhile.
    if (shared_ != nullptr)
        mark(taken_);
    current_ = taken_;
    return {current_, {}};
}

void port_hunt::mark(std::uint16_t port)
{
    const port_range range = candidates_->range();
    if (tried().by_offset.empty())
        tried().by_offset.resize(range.size());
    tried().by_offset[port - range.first] = true;
}

} // namespace berth::detail
