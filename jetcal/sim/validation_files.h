// SPDX-License-Identifier: Apache-2.0
// Reads what validation needs of events: calibration/events, and the candidates of PFNano.
#pragma once

#include <filesystem>
#include <vector>

#include "jetcal/sim/validation.h"

namespace jetcal::sim {

/// Appends the events of the tree calibration/events. Throws NotFound, DataLoss or InvalidArgument
/// (no such tree or branch), naming the file.
void read_calibration_events(const std::filesystem::path& path, std::vector<EventCounts>& events);

/// Appends the events of a PFNano file (tree Events) by counting their candidates.
void read_real_events(const std::filesystem::path& path, std::vector<EventCounts>& events);

}  // namespace jetcal::sim
