// SPDX-License-Identifier: Apache-2.0
// From an event reconstructed with and without its pileup to the rows of the calibration trees.
#pragma once

#include <span>
#include <vector>

#include "jetcal/sim/calibration_row.h"
#include "jetcal/sim/event_rows.h"

namespace jetcal::sim {

/// Returns the hard collision of a crossing alone, at the same place.
Crossing without_pileup(const Crossing& crossing);

/// Appends one row per gen jet (10 GeV, |eta| < 5.2, the eight leading ones) and the row of the
/// event. `jets` are those of `event`; `bare` is the same hard collision without pileup.
void append_calibration(const EventRecord& event, std::span<const Jet> jets,
                        const ReconstructedEvent& bare, const JetOptions& options,
                        std::vector<CalibrationJet>& jet_rows,
                        std::vector<CalibrationEvent>& event_rows);

}  // namespace jetcal::sim
