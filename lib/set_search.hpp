// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "backend.hpp"
#include "candidate_ports.hpp"
#include "counters.hpp"
#include "port_hunt.hpp"
#include "socket_spec.hpp"

#include <berth/detail/lease_sockets.hpp>
#include <berth/port_pattern.hpp>

#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>
#include <vector>

namespace berth::detail {

/// Whether a pattern gives the distances of its ports, which must then be found together.
[[nodiscard]] inline bool is_rigid(const port_pattern& pattern) noexcept
{
    return pattern.is_block() || pattern.has_offsets();
}

/// The search for what takes more than one socket: several ports, or several sockets on each. It
/// finds all or keeps nothing.
///
/// A port that was refused once is not tried again, whatever first port would need it. Nothing is
/// waited for while anything is held.
class set_search {
public:
    set_search(port_backend& through, std::shared_ptr<candidate_ports> candidates,
               std::uint16_t preferred, const port_pattern& pattern,
               std::span<const socket_spec> sockets, counters& tally);
    set_search(const set_search&) = delete;
    set_search& operator=(const set_search&) = delete;

    /// Searches. Throws std::bad_alloc.
    [[nodiscard]] std::error_code run();

    /// Passes the sockets of each port that was found, and the port, to `keep`, in the order of the
    /// pattern.
    template <class Keep>
    void take(Keep&& keep)
    {
        for (part& one : parts_) {
            for (found_port& found : one.found)
                keep(std::move(found.sockets), found.port);
            one.hunt.leased();
        }
    }

private:
    /// A port that was found, with the sockets that hold it, the first of them of TCP if any is.
    struct found_port {
        std::uint16_t port = 0;
        lease_sockets sockets = {};
    };

    /// The search for one first port and those at the pattern's distances from it.
    struct part {
        port_hunt hunt;
        std::uint16_t first = 0;
        std::vector<found_port> found = {};
        std::error_code refusal = {};
    };

    /// One socket that is asked for.
    struct place {
        part* of;
        std::size_t index; // in the pattern
        const socket_spec* socket;
    };

    [[nodiscard]] std::error_code settle(part& one, port_hunt::step next);
    [[nodiscard]] bool is_known_busy(const part& one) const noexcept;
    [[nodiscard]] std::error_code try_all();
    [[nodiscard]] std::error_code run_batch(std::span<const place> places);

    port_backend& through_;
    const std::shared_ptr<candidate_ports> candidates_;
    const std::uint16_t preferred_;
    const port_pattern pattern_;
    const std::size_t ports_in_part_;
    const std::span<const socket_spec> sockets_;
    counters& tally_;

    tried_ports tried_;
    std::bitset<65536> busy_; // what was refused
    std::error_code denial_;  // what EACCES there was among the refusals
    std::vector<part> parts_;
    std::vector<part*> missing_; // those which are still to be found
};

} // namespace berth::detail
