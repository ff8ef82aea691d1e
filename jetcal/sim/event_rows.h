// SPDX-License-Identifier: Apache-2.0
// From a reconstructed event to the rows of JetNTuple: selection, matching, jet variables, the box.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/sim/correction.h"
#include "jetcal/sim/density.h"
#include "jetcal/sim/generator.h"
#include "jetcal/sim/jet_finder.h"
#include "jetcal/sim/jet_row.h"
#include "jetcal/sim/particle_flow.h"

namespace jetcal::sim {

/// Everything known of one event.
struct EventRecord {
  const HardEvent* truth;
  const Crossing* crossing;
  const ReconstructedEvent* reco;
  std::uint64_t number;  ///< branch event
  std::int32_t lumi;
  std::uint64_t ghost_seed;
};

/// Appends the rows of the event's jets, by falling corrected pT; none when the event fails the
/// producer's cuts (two leading jets above min_pt, within max_eta). Jets below kMinRawPt of `found`
/// do not count. Returns how many jets lay outside every bin of a level of the correction.
std::int64_t append_rows(const EventRecord& event, std::span<const Jet> found,
                         const Correction& correction, const JetOptions& options,
                         std::vector<JetRow>& rows);

constexpr double kMinRawPt = 5;

}  // namespace jetcal::sim
