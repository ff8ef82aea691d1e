// SPDX-License-Identifier: Apache-2.0
// Messages over one TCP connection to every other worker.
#pragma once

#include <memory>

#include "jetcal/workers/detail/links.h"
#include "jetcal/workers/detail/socket.h"
#include "jetcal/workers/place.h"

namespace jetcal::workers::detail {

/// Meets the other workers (see rendezvous.h) and returns the links to them.
std::unique_ptr<Links> open_tcp_links(const Place& place, Clock::time_point deadline);

}  // namespace jetcal::workers::detail
