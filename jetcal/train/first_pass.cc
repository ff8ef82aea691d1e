// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/first_pass.h"

#include <optional>

#include "jetcal/base/error.h"
#include "jetcal/train/batch_loader.h"
#include "jetcal/train/loss.h"
#include "jetcal/train/standardisation.h"

namespace jetcal::train {
namespace {

constexpr std::int64_t kBatch = 4096;

// Calls `visit` with every batch.
template <typename Visit>
void for_each_batch(const JetSource& jets, const std::function<void()>& check, const Visit& visit) {
  BatchLoader loader(jets, jets.stored_order(), kBatch);
  while (const edm::FeatureBatch* const batch = loader.next()) {
    check();
    visit(*batch);
  }
}

}  // namespace

FirstPass pass_over_training_split(const TrainOptions& options, const JetSource& train,
                                   const std::function<bool()>& should_stop) {
  // Another model's weights mean what they say only with its shifts and scales.
  const std::string& start = options.course.start.model;
  const bool fits = options.model.standardise && start.empty();
  const auto inputs = options.model.inputs();
  const auto check = [&should_stop] {
    if (should_stop && should_stop()) fail(ErrorCode::Cancelled, "stopped before the first step");
  };
  FirstPass found;
  models::StandardisationFit fit(inputs);
  std::optional<data::JetTargets> jets;
  if (!fits) jets = train.read_targets(check);
  if (jets) {
    check_targets(train, *jets);
  } else {
    jets.emplace();
    for_each_batch(train, check, [&](const edm::FeatureBatch& batch) {
      if (fits) fit.add(batch.view());
      jets->target.insert(jets->target.end(), batch.target.begin(), batch.target.end());
      jets->weight.insert(jets->weight.end(), batch.weight.begin(), batch.weight.end());
      found.train.dropped_particles += batch.dropped_particles;
    });
  }
  if (fits)
    found.standardisation = make_standardisation(options.standardisation, fit.result(), inputs);
  if (!start.empty()) found.standardisation = models::load_model(start).standardisation;
  if (found.standardisation.has_bounds()) {  // which are known only now
    models::ClipCounts counts;
    for_each_batch(train, check, [&](const edm::FeatureBatch& batch) {
      counts.add(found.standardisation, batch.view());
    });
    found.train.clipped = named_counts(counts, inputs);
  }
  found.constant = best_constant(jets->target, jets->weight);
  const LossSum sum = sum_loss(jets->target, found.constant, jets->weight);
  found.train.jets = sum.num_jets;
  found.train.rejected_jets = sum.rejected_jets;
  return found;
}

}  // namespace jetcal::train
