// SPDX-License-Identifier: Apache-2.0
// Makes the events of a block; one object per worker process.
#pragma once

#include <cstdint>

#include "jetcal/sim/block.h"
#include "jetcal/sim/correction.h"
#include "jetcal/sim/event_rows.h"
#include "jetcal/sim/generator.h"
#include "jetcal/sim/options.h"
#include "jetcal/sim/particle_flow.h"
#include "jetcal/sim/pileup_pool.h"

namespace jetcal::sim {

/// Which events a block holds and what is kept of them.
struct BlockRequest {
  std::uint64_t seed;
  std::int64_t block;        ///< index; its random numbers follow from (seed, block)
  std::int64_t first_event;  ///< number of the first event
  std::int64_t num_events;
  bool rows = true;          ///< make the rows of the ntuple
  bool calibration = false;  ///< make those of the calibration trees
};

/// Simulates blocks; a block depends on its request alone, not on blocks before it.
class EventFactory {
 public:
  EventFactory(const ExperimentOptions& options, const PileupPool& pool,
               const Correction& correction);
  /// Throws Cancelled when a stop signal comes.
  Block make(const BlockRequest& request);

 private:
  void add_event(const BlockRequest& request, const EventRecord& record, std::uint64_t seed,
                 Block& block);

  const ExperimentOptions& options_;
  const PileupPool& pool_;
  const Correction& correction_;
  Generator generator_;
  Detector detector_;
};

}  // namespace jetcal::sim
