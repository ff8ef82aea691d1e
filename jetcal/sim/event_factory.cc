// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/event_factory.h"

#include <ctime>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/sim/event_rows.h"

namespace jetcal::sim {

EventFactory::EventFactory(const ExperimentOptions& options, const PileupPool& pool)
    : options_(options),
      pool_(pool),
      correction_(Correction::standard()),
      generator_(options.generator.hard),
      detector_(options_) {}

static double cpu_now() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Block EventFactory::make(const BlockRequest& request) {
  const double start = cpu_now();
  const std::uint64_t seed = mix64(request.seed, static_cast<std::uint64_t>(request.block));
  generator_.restart(mix64(seed, 1));
  const std::int64_t failures = generator_.num_failures();
  HardEvent truth;
  Crossing crossing;
  ReconstructedEvent reco;
  Block block;
  for (std::int64_t i = 0; i < request.num_events; ++i) {
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped; the same command resumes");
    // Own random numbers for each event, so that a change of the detector leaves the others alone.
    Rng rng(mix64(seed, 2 + static_cast<std::uint64_t>(i)));
    generator_.next(truth);
    overlay(truth.particles, pool_, options_.pileup, rng, crossing);
    detector_.reconstruct(crossing, rng(), reco);
    const EventRecord record{&truth,
                             &crossing,
                             &reco,
                             static_cast<std::uint64_t>(request.first_event + i),
                             static_cast<std::int32_t>(request.block + 1),
                             rng()};
    const std::size_t before = block.rows.size();
    if (request.calibration)
      append_calibration_jets(record, options_.jets, block.calibration);
    else
      append_rows(record, correction_, options_.jets, block.rows);
    ++block.num_events;
    if (block.rows.size() > before) ++block.num_accepted;
  }
  block.num_failures = generator_.num_failures() - failures;
  block.cpu_seconds = cpu_now() - start;
  return block;
}

}  // namespace jetcal::sim
