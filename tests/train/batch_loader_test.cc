// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/batch_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "jetcal/base/error.h"
#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

TEST(BatchLoader, DeliversEveryRowOnceInTheOrderGiven) {
  const MemorySource source("jets", synthetic_jets(23, 1));
  std::vector<std::int64_t> order = storage_order(23);
  std::reverse(order.begin(), order.end());
  edm::FeatureBatch whole;
  source.append_features(order, whole);
  for (const std::int64_t size : {1, 5, 22, 23, 100}) {
    BatchLoader loader(source, order, size);
    EXPECT_EQ(loader.num_batches(), (23 + size - 1) / size);
    std::vector<float> targets;
    std::vector<float> particles;
    while (const edm::FeatureBatch* const batch = loader.next()) {
      EXPECT_LE(batch->num_jets(), size);
      EXPECT_EQ(batch->offsets.front(), 0);
      targets.insert(targets.end(), batch->target.begin(), batch->target.end());
      particles.insert(particles.end(), batch->particles.begin(), batch->particles.end());
    }
    EXPECT_EQ(targets, whole.target) << size;
    EXPECT_EQ(particles, whole.particles) << size;
    EXPECT_EQ(loader.next(), nullptr);
  }
}

TEST(BatchLoader, StartsAtAnyBatch) {
  const MemorySource source("jets", synthetic_jets(20, 1));
  BatchLoader all(source, storage_order(20), 6);
  for (int skipped = 0; skipped < 2; ++skipped) all.next();
  const std::vector<float> third = all.next()->target;
  BatchLoader late(source, storage_order(20), 6, 2);
  EXPECT_EQ(late.next()->target, third);
  EXPECT_EQ(late.next()->num_jets(), 2);
  EXPECT_EQ(late.next(), nullptr);
  EXPECT_EQ(BatchLoader(source, storage_order(20), 6, 4).next(), nullptr);
}

TEST(BatchLoader, NamesTheJetAndFeatureThatIsNotFinite) {
  edm::JetColumns jets = synthetic_jets(20, 1);
  jets.mass[13] = std::numeric_limits<float>::quiet_NaN();
  const MemorySource source("train split", std::move(jets));
  BatchLoader loader(source, storage_order(20), 10);
  EXPECT_NE(loader.next(), nullptr);
  try {
    loader.next();
    FAIL() << "the NaN went through";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), testing::HasSubstr("jet 13 of the train split has jetMass = nan"));
  }
}

}  // namespace
}  // namespace jetcal::train
