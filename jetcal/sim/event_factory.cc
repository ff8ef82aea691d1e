// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/event_factory.h"

#include <ctime>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/sim/calibration_rows.h"

namespace jetcal::sim {

EventFactory::EventFactory(const ExperimentOptions& options, const PileupPool& pool,
                           const Correction& correction)
    : options_(options),
      pool_(pool),
      correction_(correction),
      generator_(options.generator.hard),
      detector_(options_) {}

static double cpu_now() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Makes the rows of an event, which the detector saw with `seed`.
void EventFactory::add_event(const BlockRequest& request, const EventRecord& record,
                             std::uint64_t seed, Block& block) {
  const double min_pt = request.calibration ? 1 : kMinRawPt;
  const std::vector<Jet> jets = find_reco_jets(record.reco->candidates, *record.truth,
                                               options_.jets, record.ghost_seed, min_pt);
  if (request.rows) {
    const std::size_t before = block.rows.size();
    block.num_outside += append_rows(record, jets, correction_, options_.jets, block.rows);
    if (block.rows.size() > before) ++block.num_accepted;
  }
  if (!request.calibration) return;
  ReconstructedEvent bare;
  detector_.reconstruct(without_pileup(*record.crossing), seed, bare);
  append_calibration(record, jets, bare, options_.jets, block.calibration_jets,
                     block.calibration_events);
}

Block EventFactory::make(const BlockRequest& request) {
  const double start = cpu_now();
  const std::uint64_t seed = mix64(request.seed, static_cast<std::uint64_t>(request.block));
  generator_.restart(mix64(seed, 1));
  HardEvent truth;
  Crossing crossing;
  ReconstructedEvent reco;
  Block block;
  for (std::int64_t i = 0; i < request.num_events; ++i) {
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped; the same command resumes");
    const auto number = static_cast<std::uint64_t>(request.first_event + i);
    // Own random numbers for each event, so that a change of the detector leaves the others alone.
    Rng rng(mix64(seed, 2 + static_cast<std::uint64_t>(i)));
    const std::int64_t failures = generator_.num_failures();
    generator_.next(truth);
    block.failed_events.insert(block.failed_events.end(),
                               static_cast<std::size_t>(generator_.num_failures() - failures),
                               number);
    overlay(truth.particles, pool_, options_.pileup, rng, crossing);
    const std::uint64_t detector_seed = rng();
    detector_.reconstruct(crossing, detector_seed, reco);
    const EventRecord record{
        &truth, &crossing, &reco, number, static_cast<std::int32_t>(request.block + 1), rng()};
    add_event(request, record, detector_seed, block);
    ++block.num_events;
  }
  block.cpu_seconds = cpu_now() - start;
  return block;
}

}  // namespace jetcal::sim
