// SPDX-License-Identifier: Apache-2.0
// Momenta of jets before and after a network, for figures while it is being trained.
#pragma once

#include <cstdint>
#include <vector>

#include "jetcal/models/model.h"
#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// Momenta in GeV [J] each; `eta` is the reconstructed jet's.
struct JetResponses {
  std::int64_t epoch = 0;  ///< From 1.
  std::vector<float> pt_gen, pt_reco, pt_corr, eta;
};

/// Applies the model to the first jets of a source, up to `max_jets` rounded up to whole batches.
JetResponses find_responses(const models::Model& model, const JetSource& source,
                            std::int64_t max_jets);

}  // namespace jetcal::train
