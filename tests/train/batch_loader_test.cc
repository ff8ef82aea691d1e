// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/batch_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/train/selected_source.h"
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

TEST(BatchLoader, WorkersTogetherSeeWhatOneSees) {
  const MemorySource source("jets", synthetic_jets(50, 1));
  for (const std::int64_t world : {1, 2, 3, 7, 16}) {
    for (const std::int64_t first : {0, 1, 6}) {
      BatchLoader one(source, source.epoch_order(3, 1), 8, first);
      std::vector<std::unique_ptr<BatchLoader>> workers;
      for (std::int64_t rank = 0; rank < world; ++rank) {
        workers.push_back(std::make_unique<BatchLoader>(source, source.epoch_order(3, 1), 8, first,
                                                        WorkerSlice{rank, world}));
        EXPECT_EQ(workers.back()->num_batches(), one.num_batches());
      }
      std::int64_t index = first;
      while (const edm::FeatureBatch* const whole = one.next()) {
        EXPECT_EQ(one.batch_jets(index++), whole->num_jets());
        std::vector<float> targets;
        std::int64_t fewest = 8, most = 0;
        for (const auto& worker : workers) {
          const edm::FeatureBatch* const part = worker->next();
          ASSERT_NE(part, nullptr);  // even where the slice is empty
          targets.insert(targets.end(), part->target.begin(), part->target.end());
          fewest = std::min(fewest, part->num_jets());
          most = std::max(most, part->num_jets());
        }
        EXPECT_EQ(targets, whole->target);
        EXPECT_LE(most - fewest, 1);
      }
      for (const auto& worker : workers) EXPECT_EQ(worker->next(), nullptr);
    }
  }
}

// Gives every jet the weights in turn.
class WeightedSource final : public JetSource {
 public:
  WeightedSource(MemorySource jets, std::vector<float> weight)
      : jets_(std::move(jets)), weight_(std::move(weight)) {}
  std::int64_t num_jets() const override { return jets_.num_jets(); }
  void append_features(std::span<const std::int64_t> rows, edm::FeatureBatch& out) const override {
    jets_.append_features(rows, out);
    for (const std::int64_t row : rows)
      out.weight.push_back(weight_[static_cast<std::size_t>(row) % weight_.size()]);
  }
  std::string fingerprint() const override { return "0"; }
  std::string name() const override { return jets_.name(); }

 private:
  MemorySource jets_;
  std::vector<float> weight_;
};

TEST(BatchLoader, DeliversWeightsBesideTheirJets) {
  const WeightedSource source(MemorySource("jets", synthetic_jets(7, 1)), {1, 2, 3, 0});
  BatchLoader loader(source, std::vector<std::int64_t>{6, 0, 3, 1}, 3);
  EXPECT_EQ(loader.next()->weight, (std::vector<float>{3, 1, 0}));
  EXPECT_EQ(loader.next()->weight, (std::vector<float>{2}));
}

TEST(BatchLoader, NamesTheJetWithAWeightThatCannotBeUsed) {
  for (const float bad :
       {-1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const WeightedSource source(MemorySource("train split", synthetic_jets(5, 1)), {1, 1, bad});
    BatchLoader loader(source, storage_order(5), 5);
    try {
      loader.next();
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("jet 2 of the train split has the weight"));
    }
  }
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

TEST(BatchLoader, NamesTheFeatureThatNoJetReaches) {
  edm::JetColumns jets = synthetic_jets(20, 1);
  jets.area[4] = -2e9F;
  const MemorySource source("train split", std::move(jets));
  BatchLoader loader(source, storage_order(20), 20);
  for (int call = 0; call < 2; ++call) {  // the second one tells it again
    try {
      loader.next();
      FAIL() << "the area went through";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  testing::HasSubstr("jet 4 of the train split has jetArea = -2e+09"));
    }
  }
}

TEST(BatchLoader, NamesTheExtendedFeatureOfAWeightedJet) {
  edm::JetColumns jets = synthetic_jets(20, 1);
  jets.rho[19] = std::numeric_limits<float>::infinity();
  const edm::InputOptions inputs{edm::InputMode::Constituents, edm::FeatureSet::Extended};
  const auto source =
      weigh(std::make_unique<MemorySource>("train split", std::move(jets), "0", inputs),
            std::vector<float>(20, 1.0F));
  BatchLoader loader(*source, storage_order(20), 20);
  try {
    loader.next();
    FAIL() << "the density went through";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("jet 19 of the train split has rho = inf"));
  }
}

// Counts the batches asked of it, and may be slow.
class CountingSource final : public JetSource {
 public:
  CountingSource(const JetSource& jets, std::chrono::milliseconds pause)
      : jets_(jets), pause_(pause) {}
  std::int64_t num_jets() const override { return jets_.num_jets(); }
  void append_features(std::span<const std::int64_t> rows, edm::FeatureBatch& out) const override {
    std::this_thread::sleep_for(pause_);
    jets_.append_features(rows, out);
    ++calls;
  }
  std::string fingerprint() const override { return "0"; }
  std::string name() const override { return "jets"; }
  mutable std::atomic<std::int64_t> calls = 0;

 private:
  const JetSource& jets_;
  std::chrono::milliseconds pause_;
};

TEST(BatchLoader, MakesOnlySoManyBatchesAheadAndEndsEarly) {
  const MemorySource jets("jets", synthetic_jets(200, 1));
  const CountingSource source(jets, std::chrono::milliseconds(0));
  {
    BatchLoader loader(source, storage_order(200), 10);
    for (int batch = 0; batch < 5; ++batch) loader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_LE(source.calls, 5 + BatchLoader::kBatchesAhead);
  }
  EXPECT_LE(source.calls, 5 + BatchLoader::kBatchesAhead);  // the destructor waits for no more
}

TEST(BatchLoader, CountsTheWaitForASlowSource) {
  const MemorySource jets("jets", synthetic_jets(40, 1));
  const CountingSource slow(jets, std::chrono::milliseconds(20));
  BatchLoader loader(slow, storage_order(40), 10);
  while (loader.next() != nullptr) continue;
  EXPECT_GT(loader.wait_seconds(), 0.06);
  EXPECT_GT(loader.cpu_seconds(), 0);
  EXPECT_LT(loader.cpu_seconds(), loader.wait_seconds());  // asleep is not at work
}

TEST(BatchLoader, UsesItsBuffersAgain) {
  const MemorySource source("jets", synthetic_jets(600, 1));
  BatchLoader loader(source, storage_order(600), 10);
  std::set<const edm::FeatureBatch*> batches;
  std::set<const float*> memory;
  int count = 0;
  while (const edm::FeatureBatch* const batch = loader.next()) {
    batches.insert(batch);
    if (++count > 30) memory.insert(batch->jets.data());  // ten jets always take the same room
  }
  EXPECT_EQ(count, 60);
  EXPECT_EQ(std::ssize(batches), BatchLoader::kBatchesAhead + 1);
  EXPECT_EQ(std::ssize(memory), BatchLoader::kBatchesAhead + 1);
}

std::int64_t anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "RssAnon:") continue;
    std::int64_t kilobytes = 0;
    status >> kilobytes;
    return 1024 * kilobytes;
  }
  return -1;
}

TEST(BatchLoader, TakesNoMoreMemoryEpochByEpoch) {
  const MemorySource source("jets", synthetic_jets(20000, 1));
  const auto epoch = [&source](int number) {
    BatchLoader loader(source, data::epoch_order(source.num_jets(), 1, number), 500);
    while (loader.next() != nullptr) continue;
  };
  for (int number = 0; number < 5; ++number) epoch(number);
  const std::int64_t before = anonymous_bytes();
  ASSERT_GT(before, 0);
  for (int number = 5; number < 45; ++number) epoch(number);
  // One batch is 130 kB: a loader that kept one an epoch would take five times the bound.
  EXPECT_LT(anonymous_bytes() - before, 1 << 20);
}

TEST(BatchLoader, MemoryDoesNotGrowWithTheNumberOfJets) {
  const auto peak = [](std::int64_t num_jets) {
    const MemorySource source("jets", synthetic_jets(num_jets, 1));
    const std::int64_t before = anonymous_bytes();
    BatchLoader loader(source, storage_order(num_jets), 500);
    std::int64_t most = 0;
    while (loader.next() != nullptr) most = std::max(most, anonymous_bytes() - before);
    return most;
  };
  peak(5000);
  // Ten times the jets: 8 bytes each for their order, and the same batches.
  EXPECT_LT(peak(50000), peak(5000) + 50000 * 8 + (1 << 20));
}

}  // namespace
}  // namespace jetcal::train
