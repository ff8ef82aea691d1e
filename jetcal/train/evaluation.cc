// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/evaluation.h"

#include <vector>

#include "jetcal/models/predictor.h"
#include "jetcal/train/batch_loader.h"

namespace jetcal::train {

// Large enough to keep every thread busy, small enough to stay in a few MB.
static constexpr std::int64_t kEvaluationBatch = 1024;

std::optional<Evaluation> evaluate(const models::Model& model, const JetSource& source,
                                   double constant, const std::function<bool()>& should_stop) {
  const models::Predictor predictor(model);
  BatchLoader loader(source, source.stored_order(), kEvaluationBatch);
  Evaluation result;
  std::vector<float> prediction;
  while (const edm::FeatureBatch* const batch = loader.next()) {
    if (should_stop && should_stop()) return std::nullopt;
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
  return result;
}

}  // namespace jetcal::train
