// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/first_pass.h"

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

std::optional<models::Standardisation> given_standardisation(const TrainOptions& options) {
  // Another model's weights mean what they say only with its shifts and scales.
  const std::string& start = options.course.start.model;
  if (!start.empty()) return models::load_model(start).standardisation;
  if (!options.model.standardise) return models::Standardisation();
  if (options.standardisation.method != "manual") return std::nullopt;
  return make_standardisation(options.standardisation, {}, options.model.inputs());
}

FirstPass pass_over_training_split(const TrainOptions& options, const JetSource& train,
                                   const std::function<bool()>& should_stop) {
  const auto inputs = options.model.inputs();
  const auto check = [&should_stop] {
    if (should_stop && should_stop()) fail(ErrorCode::Cancelled, "stopped before the first step");
  };
  FirstPass found;
  const std::optional<models::Standardisation> given = given_standardisation(options);
  if (given) found.standardisation = *given;
  models::StandardisationFit fit(inputs);
  models::ClipCounts counts;
  std::optional<data::JetTargets> jets;
  if (given && !given->has_bounds()) jets = train.read_targets(check);
  if (jets) {
    check_targets(train, *jets);
  } else {
    jets.emplace();
    for_each_batch(train, check, [&](const edm::FeatureBatch& batch) {
      if (!given) fit.add(batch.view());
      counts.add(found.standardisation, batch.view());
      jets->target.insert(jets->target.end(), batch.target.begin(), batch.target.end());
      jets->weight.insert(jets->weight.end(), batch.weight.begin(), batch.weight.end());
      found.train.dropped_particles += batch.dropped_particles;
    });
  }
  if (!given) {
    found.standardisation = make_standardisation(options.standardisation, fit.result(), inputs);
    if (found.standardisation.has_bounds()) {  // which are known only now
      for_each_batch(train, check, [&](const edm::FeatureBatch& batch) {
        counts.add(found.standardisation, batch.view());
      });
    }
  }
  found.train.clipped = named_counts(counts, inputs);
  found.constant = best_constant(jets->target, jets->weight);
  const LossSum sum = sum_loss(jets->target, found.constant, jets->weight);
  found.train.jets = sum.num_jets;
  found.train.rejected_jets = sum.rejected_jets;
  return found;
}

}  // namespace jetcal::train
