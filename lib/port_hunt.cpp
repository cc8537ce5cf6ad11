// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "port_hunt.hpp"

#include <berth/error.hpp>

namespace berth::detail {

port_hunt::step port_hunt::start()
{
    if (preferred_ == 0)
        return next(error::no_ports);
    if (candidates_ != nullptr && candidates_->take_port(preferred_))
        taken_ = preferred_;
    return {preferred_, {}};
}

port_hunt::step port_hunt::refused(std::uint16_t port, std::error_code ec)
{
    const bool denied = ec == std::errc::permission_denied;
    if (!denied && ec != std::errc::address_in_use)
        return {0, ec};

    all_denied_ = all_denied_ && denied;
    if (candidates_ != nullptr && candidates_->range().contains(port)) {
        const port_range range = candidates_->range();
        if (tried_.empty())
            tried_.resize(range.size());
        tried_[port - range.first] = true;
    }
    return next(all_denied_ ? ec : make_error_code(error::ports_exhausted));
}

port_hunt::step port_hunt::next(std::error_code otherwise)
{
    if (candidates_ == nullptr)
        return {};
    taken_ = candidates_->take(tried_);
    return {taken_, taken_ == 0 ? otherwise : std::error_code()};
}

} // namespace berth::detail
