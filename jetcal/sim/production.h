// SPDX-License-Identifier: Apache-2.0
// Makes samples: pool, blocks of events in worker processes, one file in the end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "jetcal/sim/correction.h"
#include "jetcal/sim/ntuple_writer.h"
#include "jetcal/sim/options.h"
#include "jetcal/sim/pileup_pool.h"
#include "jetcal/sim/sample_summary.h"

namespace jetcal::sim {

struct ProductionOptions {
  ExperimentOptions experiment;
  NtupleOptions ntuple;
  std::filesystem::path output;       ///< the ntuple; empty for none
  std::filesystem::path calibration;  ///< the calibration trees; empty for none
  std::int64_t num_jets = 0;          ///< stop after the event that completes so many selected jets
  std::int64_t num_events = 0;  ///< or after so many generated events; one of the two is positive
  std::uint64_t seed = 1;
  int workers = 1;
  std::int64_t pool_events = 20000;
  std::int64_t block_events = 250;
  Correction correction = Correction::standard();  ///< makes jetPt
  bool keep_blocks = false;  ///< leave OUTPUT.blocks, e.g. to write with another compression

  /// The file beside which blocks and pool lie.
  const std::filesystem::path& anchor() const { return output.empty() ? calibration : output; }
};

/// Tells how far the work is. Called in the main process, `done` ascends from 0 to `total`; a new
/// `what` begins a new piece of work.
using ProgressReport = std::function<void(const std::string& what, const std::string& unit,
                                          std::int64_t done, std::int64_t total)>;

/// Makes the sample. Its files depend on the options except `workers`, the ntuple not on whether
/// there is calibration; finished blocks of a killed run with the same options are used again.
ProductionSummary produce(const ProductionOptions& options, const ProgressReport& progress);

/// Returns the pool, made beside the output unless one with the same options is there.
PileupPool prepare_pool(const ProductionOptions& options, const ProgressReport& progress);

}  // namespace jetcal::sim
