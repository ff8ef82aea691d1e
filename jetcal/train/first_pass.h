// SPDX-License-Identifier: Apache-2.0
// What a run learns from its training split before the first step.
#pragma once

#include <functional>
#include <optional>

#include "jetcal/models/model.h"
#include "jetcal/train/history.h"
#include "jetcal/train/jet_source.h"
#include "jetcal/train/options.h"

namespace jetcal::train {

/// Holds how inputs are standardised, the constant with the lowest loss, and what was counted.
struct FirstPass {
  models::Standardisation standardisation;
  double constant = 0;  ///< Of log(pT_gen / pT_reco).
  SplitCounts train;
};

/// Returns shifts, scales and bounds of inputs where they do not follow from the jets: those of
/// another model that a run starts from, none, or the ones of the configuration. Throws as
/// models::load_model and make_standardisation.
std::optional<models::Standardisation> given_standardisation(const TrainOptions& options);

/// Reads the targets of the training split, without its features where the source can do so and no
/// standardisation is fitted to them; once more where the standardisation has bounds: values beyond
/// them are counted. With another model's weights its standardisation is taken. Throws Cancelled
/// when `should_stop` says so, and as JetSource.
FirstPass pass_over_training_split(const TrainOptions& options, const JetSource& train,
                                   const std::function<bool()>& should_stop);

}  // namespace jetcal::train
