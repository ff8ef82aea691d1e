// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/first_pass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/train/selected_source.h"
#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Gives targets beside features, and counts which of them were asked for.
class TargetSource final : public JetSource {
 public:
  explicit TargetSource(edm::JetColumns jets) : source_("train split", std::move(jets)) {}
  std::int64_t num_jets() const override { return source_.num_jets(); }
  void append_features(std::span<const std::int64_t> rows, edm::FeatureBatch& out) const override {
    ++feature_reads;
    source_.append_features(rows, out);
  }
  std::optional<data::JetTargets> read_targets(const std::function<void()>& check) const override {
    check();
    edm::FeatureBatch batch;
    std::vector<std::int64_t> rows(static_cast<std::size_t>(num_jets()));
    std::iota(rows.begin(), rows.end(), 0);
    source_.append_features(rows, batch);
    return data::JetTargets{batch.target, {}};
  }
  std::string fingerprint() const override { return "0"; }
  std::string name() const override { return source_.name(); }

  mutable int feature_reads = 0;

 private:
  MemorySource source_;
};

bool never() { return false; }

void expect_same(const FirstPass& a, const FirstPass& b) {
  EXPECT_EQ(a.constant, b.constant);
  EXPECT_EQ(a.train.jets, b.train.jets);
  EXPECT_EQ(a.train.rejected_jets, b.train.rejected_jets);
  EXPECT_EQ(a.train.dropped_particles, b.train.dropped_particles);
}

TEST(FirstPass, ReadsNoFeaturesWhereTargetsAreEnough) {
  const TargetSource source(synthetic_jets(5000, 1));
  const MemorySource features("train split", synthetic_jets(5000, 1));
  const TrainOptions options;
  const FirstPass found = pass_over_training_split(options, source, never);
  EXPECT_EQ(source.feature_reads, 0);
  EXPECT_NE(found.constant, 0);
  expect_same(found, pass_over_training_split(options, features, never));
}

TEST(FirstPass, ReadsFeaturesThatAStandardisationIsFittedTo) {
  const TargetSource source(synthetic_jets(100, 1));
  TrainOptions options;
  options.model.standardise = true;
  const FirstPass found = pass_over_training_split(options, source, never);
  EXPECT_GT(source.feature_reads, 0);
  EXPECT_FALSE(found.standardisation.jet_mean.empty());
}

TEST(FirstPass, ReadsFeaturesTwiceOnlyForBoundsThatFollowFromThem) {
  constexpr int kBatches = 2;
  const auto reads = [](const std::string& method, std::optional<double> clip) {
    const TargetSource source(synthetic_jets(5000, 1));
    TrainOptions options;
    options.model.standardise = true;
    options.standardisation = {method, clip, {}};
    const FirstPass found = pass_over_training_split(options, source, never);
    EXPECT_EQ(found.standardisation.has_bounds(), clip.has_value());
    EXPECT_EQ(found.train.jets, 5000);
    if (clip) {
      EXPECT_GT(found.train.clipped.at("log_jetPt"), 0);
    }
    return source.feature_reads;
  };
  EXPECT_EQ(reads("manual", std::nullopt), 0);
  EXPECT_EQ(reads("manual", 4), kBatches);
  EXPECT_EQ(reads("auto", std::nullopt), kBatches);
  EXPECT_EQ(reads("auto", 1), 2 * kBatches);
}

TEST(FirstPass, TakesTheTargetsOfSelectedJetsWithTheirWeights) {
  const auto select = [](std::unique_ptr<JetSource> train) {
    data::RowSelection selection;
    selection.splits[0] = {false, {1, 4, 7, 30}, {0.5, 2, 1, 0.5}, {}, {}};
    selection.splits[0].account.kept = 4;
    JetSources sources = synthetic_sources(1);
    sources.train = std::move(train);
    return select_jets(std::move(sources), std::move(selection));
  };
  const JetSources targets = select(std::make_unique<TargetSource>(synthetic_jets(50, 1)));
  const JetSources features =
      select(std::make_unique<MemorySource>("train split", synthetic_jets(50, 1)));
  const std::optional<data::JetTargets> read = targets.train->read_targets([] {});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->target.size(), 4U);
  EXPECT_EQ(read->weight, (std::vector<float>{0.5, 2, 1, 0.5}));
  EXPECT_FALSE(features.train->read_targets([] {}));
  const TrainOptions options;
  expect_same(pass_over_training_split(options, *targets.train, never),
              pass_over_training_split(options, *features.train, never));
}

TEST(FirstPass, NamesAJetWhoseTargetCannotBeUsed) {
  edm::JetColumns jets = synthetic_jets(20, 1);
  jets.pt_gen[13] = std::numeric_limits<float>::infinity();
  const TargetSource source(std::move(jets));
  try {
    pass_over_training_split(TrainOptions(), source, never);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("jet 13 of the train split"), HasSubstr("target")));
  }
}

TEST(FirstPass, StopsWhenAsked) {
  const TargetSource source(synthetic_jets(20, 1));
  try {
    pass_over_training_split(TrainOptions(), source, [] { return true; });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Cancelled);
  }
}

}  // namespace
}  // namespace jetcal::train
