// SPDX-License-Identifier: Apache-2.0
// A block of events: the unit of work, of random seeds and of resuming, with its file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "jetcal/sim/calibration_row.h"
#include "jetcal/sim/jet_row.h"

namespace jetcal::sim {

/// The result of simulating some events in a row.
struct Block {
  std::int64_t num_events = 0;               ///< generated
  std::int64_t num_accepted = 0;             ///< with at least one row
  std::vector<std::uint64_t> failed_events;  ///< numbers of those that PYTHIA had to try again,
                                             ///< once for each failure
  std::int64_t num_outside = 0;              ///< jets outside every bin of a level
  double cpu_seconds = 0;
  std::vector<JetRow> rows;
  std::vector<CalibrationJet> calibration_jets;
  std::vector<CalibrationEvent> calibration_events;
};

/// Writes a block; the file appears completely or not at all.
void write_block(const std::filesystem::path& path, std::uint64_t fingerprint, const Block& block);

/// Reads a block back; nothing when the file is absent, truncated or of another fingerprint.
std::optional<Block> read_block(const std::filesystem::path& path, std::uint64_t fingerprint);

}  // namespace jetcal::sim
