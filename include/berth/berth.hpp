// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

// Ports that nobody else can take, for asynchronous tests and test servers.

#include <berth/address_list.hpp>
#include <berth/backend.hpp>
#include <berth/bind_ephemeral.hpp>
#include <berth/black_hole.hpp>
#include <berth/counters.hpp>
#include <berth/error.hpp>
#include <berth/find_port_owner.hpp>
#include <berth/find_unused_port.hpp>
#include <berth/find_unused_ports.hpp>
#include <berth/options.hpp>
#include <berth/port_lease.hpp>
#include <berth/port_pattern.hpp>
#include <berth/port_range.hpp>
#include <berth/port_set.hpp>
#include <berth/protocol_info.hpp>
#include <berth/report.hpp>
#include <berth/source_location.hpp>
#include <berth/wait_options.hpp>
#include <berth/wait_until_listening.hpp>
#include <berth/wait_until_released.hpp>
