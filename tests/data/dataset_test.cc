// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/data/ingest.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Ingests two files of 50 and 70 jets without any cut, in batches of 16 jets.
class DatasetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    first_ = make_jets(50, 1);
    second_ = make_jets(70, 2);
    write_jet_ntuple(folder_ / "1.root", first_);
    write_jet_ntuple(folder_ / "2.root", second_);
    IngestOptions options;
    options.inputs = {(folder_ / "?.root").string()};
    options.output = shards_;
    options.selection = {.gen_pt_min = -1, .gen_eta_max = 10, .keep_unmatched = true};
    options.split.fractions = {1, 0, 0};
    options.shard_batch_jets = 16;
    ingest(options);
  }

  // Opens the training jets and returns the error that it gives.
  std::optional<Error> open_error() const {
    try {
      Dataset::open(shards_, Split::Train);
    } catch (const Error& error) {
      return error;
    }
    return std::nullopt;
  }

  TemporaryFolder folder_;
  std::filesystem::path shards_ = folder_ / "shards";
  edm::JetColumns first_, second_;
};

TEST_F(DatasetTest, ViewsEveryJetInTheOrderOfTheFiles) {
  edm::JetColumns want = first_;
  for (std::int64_t row = 0; row < second_.num_jets(); ++row) want.append(second_.view(), row);
  const Dataset dataset = Dataset::open(shards_, Split::Train);
  EXPECT_EQ(dataset.num_jets(), 120);
  EXPECT_EQ(dataset.num_particles(), want.num_particles());
  EXPECT_EQ(dataset.num_shards(), 4 + 5);
  edm::JetColumns got;
  for (std::int64_t i = 0; i < dataset.num_shards(); ++i) {
    EXPECT_EQ(dataset.first_row(i), got.num_jets());
    for (std::int64_t row = 0; row < dataset.shard(i).num_jets; ++row)
      got.append(dataset.shard(i), row);
  }
  EXPECT_EQ(got.offsets, want.offsets);
#define JETCAL_SAME(type, name) EXPECT_EQ(got.name, want.name) << #name;
  JETCAL_JET_COLUMNS(JETCAL_SAME)
  JETCAL_PARTICLE_COLUMNS(JETCAL_SAME)
#undef JETCAL_SAME
}

TEST_F(DatasetTest, GivesTheFeaturesOfGlobalRowsInTheOrderAsked) {
  const Dataset dataset = Dataset::open(shards_, Split::Train);
  for (const edm::InputMode mode : {edm::InputMode::Paper, edm::InputMode::Constituents}) {
    edm::FeatureBatch got, want;
    dataset.append_features(std::vector<std::int64_t>{119, 0, 50, 49}, mode, got);
    edm::append_features(second_.view(), 69, mode, want);
    edm::append_features(first_.view(), 0, mode, want);
    edm::append_features(second_.view(), 0, mode, want);
    edm::append_features(first_.view(), 49, mode, want);
    EXPECT_EQ(got.offsets, want.offsets);
    EXPECT_EQ(got.particles, want.particles);
    EXPECT_EQ(got.jets, want.jets);
    EXPECT_EQ(got.target, want.target);
  }
  edm::FeatureBatch batch;
  for (const std::int64_t row : {std::int64_t{-1}, std::int64_t{120}}) {
    EXPECT_THROW(dataset.append_features(std::vector{row}, edm::InputMode::Paper, batch), Error);
  }
}

TEST_F(DatasetTest, ViewsOutliveTheOriginalThroughACopy) {
  std::optional<Dataset> dataset = Dataset::open(shards_, Split::Train);
  const Dataset copy = *dataset;
  dataset.reset();
  EXPECT_EQ(copy.shard(0).pt_reco[0], first_.pt_reco[0]);
}

TEST_F(DatasetTest, ASplitWithoutJetsIsEmpty) {
  const Dataset dataset = Dataset::open(shards_, Split::Test);
  EXPECT_EQ(dataset.num_jets(), 0);
  EXPECT_EQ(dataset.num_shards(), 0);
}

TEST_F(DatasetTest, NamesAMissingShardAndAMissingFolder) {
  std::filesystem::remove(shards_ / "train-00001.arrow");
  ASSERT_TRUE(open_error());
  EXPECT_EQ(open_error()->code(), ErrorCode::NotFound);
  EXPECT_THAT(open_error()->what(), HasSubstr("train-00001.arrow"));
  try {
    Dataset::open(folder_.path(), Split::Train);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotFound);
    EXPECT_THAT(error.what(), HasSubstr("manifest.json"));
  }
}

TEST_F(DatasetTest, RefusesShardsTruncatedOrOverwritten) {
  const std::filesystem::path path = shards_ / "train-00000.arrow";
  const std::string bytes = read_file(path);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{10}, bytes.size() / 2, bytes.size() - 1}) {
    write_file(path, bytes.substr(0, size));
    ASSERT_TRUE(open_error()) << size;
    EXPECT_EQ(open_error()->code(), ErrorCode::DataLoss);
    EXPECT_THAT(open_error()->what(), HasSubstr("train-00000.arrow"));
  }
  std::string mixed = bytes;
  std::fill_n(mixed.begin() + 8, mixed.size() - 16, '\xff');
  write_file(path, mixed);
  ASSERT_TRUE(open_error());
  EXPECT_EQ(open_error()->code(), ErrorCode::DataLoss);
}

TEST_F(DatasetTest, NamesTheColumnThatAShardLacks) {
  const std::filesystem::path path = shards_ / "train-00000.arrow";
  std::string bytes = read_file(path);
  // The schema is in the file twice, at its begin and in the footer.
  for (std::size_t at = bytes.find("pf_d_phi"); at != std::string::npos;
       at = bytes.find("pf_d_phi"))
    bytes.replace(at, 8, "pf_d_xxx");
  write_file(path, bytes);
  ASSERT_TRUE(open_error());
  EXPECT_EQ(open_error()->code(), ErrorCode::DataLoss);
  EXPECT_THAT(open_error()->what(), AllOf(HasSubstr("pf_d_phi"), HasSubstr("train-00000.arrow")));
}

TEST_F(DatasetTest, RefusesOffsetsThatDoNotAscend) {
  const std::filesystem::path path = shards_ / "train-00000.arrow";
  std::string bytes = read_file(path);
  std::string offsets(reinterpret_cast<const char*>(first_.offsets.data()), 8 * 17);
  const std::size_t at = bytes.find(offsets);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 8 * 5 + 7] = '\x7f';  // far beyond the particles
  write_file(path, bytes);
  ASSERT_TRUE(open_error());
  EXPECT_EQ(open_error()->code(), ErrorCode::DataLoss);
}

TEST_F(DatasetTest, RefusesAManifestThatIsNone) {
  for (const char* text : {"", "{", "[]", "{\"version\": 1}", "{\"version\": \"a\"}"}) {
    write_file(shards_ / "manifest.json", text);
    ASSERT_TRUE(open_error()) << text;
    EXPECT_EQ(open_error()->code(), ErrorCode::DataLoss);
    EXPECT_THAT(open_error()->what(), HasSubstr("manifest.json"));
  }
}

TEST_F(DatasetTest, NamesAManifestWithAFieldOfAnotherKind) {
  const std::filesystem::path path = shards_ / "manifest.json";
  const std::string manifest = read_file(path);
  for (const auto& [right, wrong] :
       {std::pair{R"("shard_batch_jets": 16)", R"("shard_batch_jets": "16")"},
        std::pair{R"("keep_unmatched": true)", R"("data": {"fraction": "half"})"},
        std::pair{R"("schema": "JetNTuple")", R"("schema": "Jets")"},
        std::pair{R"("split": "train")", R"("split": "none")"}}) {
    std::string changed = manifest;
    const std::size_t at = changed.find(right);
    ASSERT_NE(at, std::string::npos) << right;
    write_file(path, changed.replace(at, std::string(right).size(), wrong));
    ASSERT_TRUE(open_error()) << wrong;
    EXPECT_EQ(open_error()->code(), ErrorCode::DataLoss) << wrong;
    EXPECT_THAT(open_error()->what(), HasSubstr("cannot understand " + path.string())) << wrong;
  }
}

TEST(EpochOrder, IsAPermutationThatDependsOnSeedAndEpochOnly) {
  const std::vector<std::int64_t> order = epoch_order(1000, 1, 0);
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int64_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
  EXPECT_EQ(epoch_order(1000, 1, 0), order);
  EXPECT_NE(epoch_order(1000, 1, 1), order);
  EXPECT_NE(epoch_order(1000, 2, 0), order);
  EXPECT_NE(order, all);
  EXPECT_TRUE(epoch_order(0, 1, 0).empty());
}

TEST(SplitNames, AreReadBack) {
  for (const Split split : kSplits) EXPECT_EQ(parse_split(split_name(split)), split);
  EXPECT_THROW(parse_split("training"), Error);
}

TEST(DatasetWithoutParticles, SaysThatNoNetworkCanUseIt) {
  const TemporaryFolder folder;
  write_nano(folder / "nano.root", true, Candidates::None);
  IngestOptions options;
  options.inputs = {(folder / "nano.root").string()};
  options.output = folder / "out";
  options.split.fractions = {1, 0, 0};
  ASSERT_EQ(ingest(options).counts.selected, 1);
  const Dataset dataset = Dataset::open(folder / "out", Split::Train);
  EXPECT_EQ(dataset.num_jets(), 1);
  EXPECT_FALSE(dataset.has_particles());
  edm::FeatureBatch batch;
  const std::array<std::int64_t, 1> rows{0};
  try {
    dataset.append_features(rows, edm::InputMode::Paper, batch);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::FailedPrecondition);
    EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr("without candidates"),
                                               ::testing::HasSubstr("nano.root")));
  }
}

}  // namespace
}  // namespace jetcal::data
