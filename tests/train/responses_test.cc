// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/responses.h"

#include <gtest/gtest.h>

#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

TEST(Responses, HoldTheMomentaOfTheJetsWhicheverTheNetworkCorrects) {
  edm::JetColumns jets = synthetic_jets(50, 1);
  for (float& pt_raw : jets.pt_raw) pt_raw *= 0.8F;
  for (const edm::Reference reference : {edm::Reference::Jec, edm::Reference::Raw}) {
    models::ModelConfig config;
    config.input_mode = edm::InputMode::Constituents;
    config.target = reference;
    const MemorySource source("validation split", jets, "0", config.inputs());
    const JetResponses found = find_responses(models::initialise(config, 1), source, 50);
    ASSERT_EQ(found.pt_gen.size(), 50U);
    for (std::size_t jet = 0; jet < 50; ++jet) {
      EXPECT_NEAR(found.pt_reco[jet] / jets.pt_reco[jet], 1, 1e-5);
      EXPECT_NEAR(found.pt_gen[jet] / jets.pt_gen[jet], 1, 1e-5);
      EXPECT_EQ(found.eta[jet], jets.eta[jet]);
      // With its skip an untrained network of the raw pt gives the conventional correction.
      if (reference == edm::Reference::Raw) {
        EXPECT_NEAR(found.pt_corr[jet] / jets.pt_reco[jet], 1, 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace jetcal::train
