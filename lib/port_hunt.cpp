// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "port_hunt.hpp"

#include <berth/error.hpp>

namespace berth::detail {

port_hunt::step port_hunt::start()
{
    taken_ = candidates_->take(tried_);
    return {taken_, taken_ == 0 ? make_error_code(error::no_ports) : std::error_code()};
}

port_hunt::step port_hunt::refused(std::uint16_t port, std::error_code ec)
{
    const bool denied = ec == std::errc::permission_denied;
    if (!denied && ec != std::errc::address_in_use)
        return {0, ec};

    all_denied_ = all_denied_ && denied;
    const port_range range = candidates_->range();
    if (tried_.empty())
        tried_.resize(range.size());
    tried_[port - range.first] = true;

    taken_ = candidates_->take(tried_);
    if (taken_ != 0)
        return {taken_, {}};
    return {0, all_denied_ ? ec : make_error_code(error::ports_exhausted)};
}

} // namespace berth::detail
