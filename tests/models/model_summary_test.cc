// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/model_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jetcal::models {
namespace {

LayerSummary sum_of(const ModelConfig& config, std::int64_t particles) {
  LayerSummary sum;
  for (const LayerSummary& layer : summarise(config, particles)) {
    sum.parameters += layer.parameters;
    sum.macs_padded += layer.macs_padded;
    sum.macs += layer.macs;
  }
  return sum;
}

TEST(ModelSummary, AddsUpToThePapersCounts) {
  const LayerSummary pfn = sum_of(preset("paper-pfn"), 100);
  EXPECT_EQ(pfn.parameters, 355351);
  EXPECT_NEAR(static_cast<double>(pfn.macs_padded), 1.374e6, 0.5e3);
  const LayerSummary net = sum_of(preset("paper-particlenet"), 100);
  EXPECT_EQ(net.parameters, 123469);
  EXPECT_NEAR(static_cast<double>(net.macs_padded), 45.39e6, 5e3);
}

TEST(ModelSummary, AddsUpToTheCountsOfTheWholeNetwork) {
  for (const char* const name :
       {"paper-pfn", "paper-particlenet", "small-pfn", "small-particlenet", "transformer"}) {
    const ModelConfig config = preset(name);
    for (const std::int64_t particles : {0, 1, 7, 40, 150}) {
      const LayerSummary sum = sum_of(config, particles);
      EXPECT_EQ(sum.parameters, num_parameters(config)) << name;
      EXPECT_EQ(sum.macs_padded, macs_padded(config)) << name;
      EXPECT_EQ(sum.macs, macs_ragged(config, particles)) << name << " " << particles;
    }
  }
}

TEST(ModelSummary, NamesEveryLayer) {
  const std::string table = summary_table(preset("paper-particlenet"), 40);
  for (const char* const name : {"input_norm", "feature", "block0.edge2.norm", "block0.shortcut",
                                 "head3", "123,469", "MACs at 40"}) {
    EXPECT_THAT(table, testing::HasSubstr(name));
  }
}

}  // namespace
}  // namespace jetcal::models
