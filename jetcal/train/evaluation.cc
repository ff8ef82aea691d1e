// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/evaluation.h"

#include <array>
#include <vector>

#include "jetcal/models/predictor.h"
#include "jetcal/train/batch_loader.h"

namespace jetcal::train {

// Large enough to keep every thread busy, small enough to stay in a few MB.
static constexpr std::int64_t kEvaluationBatch = 1024;

// Counts are below 2^53: exact as doubles.
static void add_up(Evaluation& result, const WorkerGroup& group) {
  if (group.alone()) return;
  std::vector<double> values{static_cast<double>(result.dropped_particles)};
  const std::array<LossSum*, 3> sums{&result.network, &result.no_correction, &result.constant};
  for (const LossSum* const sum : sums) {
    values.insert(values.end(),
                  {sum->absolute_error, sum->weight, static_cast<double>(sum->num_jets),
                   static_cast<double>(sum->rejected_jets)});
  }
  const std::array<std::vector<std::int64_t>*, 2> counts{&result.clipped.particles,
                                                         &result.clipped.jets};
  for (const auto* const of_columns : counts)
    values.insert(values.end(), of_columns->begin(), of_columns->end());
  group.sum(values);
  result.dropped_particles = static_cast<std::int64_t>(values.front());
  auto at = values.cbegin() + 1 + 4 * std::ssize(sums);
  for (auto* const of_columns : counts) {
    for (std::int64_t& count : *of_columns) count = static_cast<std::int64_t>(*at++);
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double* const of_sum = values.data() + 1 + 4 * i;
    *sums[i] = {of_sum[0], of_sum[1], static_cast<std::int64_t>(of_sum[2]),
                static_cast<std::int64_t>(of_sum[3])};
  }
}

std::optional<Evaluation> evaluate(const models::Model& model, const JetSource& source,
                                   double constant, const std::function<bool()>& should_stop,
                                   const WorkerGroup& group) {
  const models::Predictor predictor(model);
  BatchLoader loader(source, source.stored_order(), kEvaluationBatch, 0, group.slice());
  Evaluation result;
  // Also where this worker has no jet, so that all have as many counts.
  result.clipped.particles.resize(model.standardisation.particle_low.size());
  result.clipped.jets.resize(model.standardisation.jet_low.size());
  bool stopped = false;
  std::vector<float> prediction;
  while (const edm::FeatureBatch* const batch = loader.next()) {
    stopped = should_stop && should_stop();
    if (stopped) break;
    prediction.resize(batch->target.size());
    predictor.predict(batch->view(), prediction);
    // The loss is that of the correction of pt_reco, whichever pt the network corrects.
    for (std::size_t jet = 0; jet < batch->log_jec.size(); ++jet)
      prediction[jet] -= batch->log_jec[jet];
    result.network += sum_loss(batch->target, prediction, batch->weight);
    result.no_correction += sum_loss(batch->target, 0.0, batch->weight);
    result.constant += sum_loss(batch->target, constant, batch->weight);
    result.dropped_particles += batch->dropped_particles;
    result.clipped.add(model.standardisation, batch->view());
  }
  if (group.any(stopped)) return std::nullopt;
  add_up(result, group);
  return result;
}

}  // namespace jetcal::train
