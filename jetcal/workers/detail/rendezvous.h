// SPDX-License-Identifier: Apache-2.0
// How workers that know nothing but the address of rank 0 come to a connection between any two.
#pragma once

#include <vector>

#include "jetcal/workers/detail/socket.h"
#include "jetcal/workers/place.h"

namespace jetcal::workers::detail {

/// Connects every worker with every other; returns the sockets by rank, an invalid one for itself.
///
/// Rank 0 listens at place.port; the others tell it where they listen and get the list of all.
/// Connections that do not speak the protocol (probes) are dropped. Throws Unavailable saying who
/// did not come by the deadline, InvalidArgument when two claim one rank or the number of workers
/// or the version of jetcal differs.
std::vector<Descriptor> meet(const Place& place, Clock::time_point deadline);

}  // namespace jetcal::workers::detail
