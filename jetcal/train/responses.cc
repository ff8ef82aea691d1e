// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/responses.h"

#include <cmath>

#include "jetcal/models/predictor.h"
#include "jetcal/train/batch_loader.h"

namespace jetcal::train {

JetResponses find_responses(const models::Model& model, const JetSource& source,
                            std::int64_t max_jets) {
  constexpr std::int64_t kBatch = 1024;
  // The jet features begin with the logarithm of the pt that the network corrects, and eta.
  const models::Predictor predictor(model);
  BatchLoader loader(source, source.stored_order(), kBatch);
  JetResponses result;
  std::vector<float> prediction;
  while (const edm::FeatureBatch* const batch = loader.next()) {
    prediction.resize(batch->target.size());
    predictor.predict(batch->view(), prediction);
    for (std::size_t jet = 0; jet < prediction.size(); ++jet) {
      const float* const features = batch->jets.data() + jet * batch->jet_features;
      const float pt = std::exp(features[0]);
      const float pt_reco = batch->log_jec.empty() ? pt : pt * std::exp(batch->log_jec[jet]);
      result.pt_reco.push_back(pt_reco);
      result.eta.push_back(features[1]);
      result.pt_gen.push_back(pt_reco * std::exp(batch->target[jet]));
      result.pt_corr.push_back(pt * std::exp(prediction[jet]));
    }
    if (std::ssize(result.pt_reco) >= max_jets) break;
  }
  return result;
}

}  // namespace jetcal::train
