// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/jet_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
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

// Reads from a folder, and does as it is told before every read.
class WatchedStore final : public FileStore {
 public:
  using Watch = std::function<void(const std::string& file, std::int64_t offset)>;
  WatchedStore(const std::filesystem::path& folder, Watch watch)
      : folder_(open_store(folder.string())), watch_(std::move(watch)) {}
  std::string name_of(const std::string& file) const override { return folder_->name_of(file); }
  std::int64_t size(const std::string& file) const override { return folder_->size(file); }
  void read(const std::string& file, std::int64_t offset, std::span<std::byte> out) const override {
    watch_(file, offset);
    folder_->read(file, offset, out);
  }
  StoreCounts counts() const override { return folder_->counts(); }
  bool remote() const override { return false; }

 private:
  std::shared_ptr<const FileStore> folder_;
  Watch watch_;
};

// Three files of 50, 70 and 3 jets in blocks of 16: 4 + 5 + 1 blocks.
class JetStreamTest : public ::testing::Test {
 protected:
  void SetUp() override { write_shards(); }

  void write_shards(const DataRules& rules = {}) {
    const std::vector<std::int64_t> sizes{50, 70, 3};
    for (std::size_t i = 0; i < sizes.size(); ++i)
      write_jet_ntuple(folder_ / (std::to_string(i) + ".root"), make_jets(sizes[i], i + 1));
    IngestOptions options;
    options.inputs = {(folder_ / "?.root").string()};
    options.output = shards_;
    options.selection = {.gen_pt_min = -1, .gen_eta_max = 10, .keep_unmatched = true};
    options.split.fractions = {1, 0, 0};
    options.shard_batch_jets = 16;
    options.rules = rules;
    ingest(options);
  }

  JetBlocks open(Split split = Split::Train) const {
    return JetBlocks::open(open_store(shards_.string()), split, 3);
  }

  std::optional<Error> open_error() const {
    try {
      open();
    } catch (const Error& error) {
      return error;
    }
    return std::nullopt;
  }

  // The features of an order, all at once, from the mapped files.
  edm::FeatureBatch mapped(const RowOrder& order) const {
    RowCursor cursor(order);
    edm::FeatureBatch batch;
    Dataset::open(shards_, Split::Train)
        .append_features(cursor.rows(0, order.num_rows()), edm::InputMode::Paper, batch);
    return batch;
  }

  TemporaryFolder folder_;
  std::filesystem::path shards_ = folder_ / "shards";
};

void expect_same(const edm::FeatureBatch& a, const edm::FeatureBatch& b) {
  EXPECT_EQ(a.offsets, b.offsets);
  EXPECT_EQ(a.particles, b.particles);
  EXPECT_EQ(a.jets, b.jets);
  EXPECT_EQ(a.target, b.target);
}

TEST_F(JetStreamTest, OpensShardsOfAnyNumberOfObservers) {
  DataRules rules;
  for (int i = 0; i < 400; ++i)
    rules.observers.push_back({"observer_" + std::to_string(i), "pt_reco + " + std::to_string(i)});
  std::filesystem::remove_all(shards_);
  write_shards(rules);
  const JetBlocks blocks = open();
  EXPECT_EQ(blocks.num_jets(), 123);
  JetBlock block;
  blocks.load(0, block);
  EXPECT_EQ(block.jets.num_jets, 16);
}

TEST_F(JetStreamTest, IndexesTheBlocksThatAreMapped) {
  const Dataset dataset = Dataset::open(shards_, Split::Train);
  const JetBlocks blocks = open();
  EXPECT_EQ(blocks.num_jets(), 123);
  EXPECT_EQ(blocks.num_particles(), dataset.num_particles());
  ASSERT_EQ(blocks.num_blocks(), dataset.num_shards());
  JetBlock block;  // filled again and again
  for (std::int64_t i = 0; i < blocks.num_blocks(); ++i) {
    EXPECT_EQ(blocks.starts()[i], dataset.first_row(i));
    EXPECT_EQ(blocks.block_of(blocks.starts()[i]), i);
    EXPECT_EQ(blocks.block_of(blocks.starts()[i + 1] - 1), i);
    blocks.load(i, block);
    const edm::JetView& want = dataset.shard(i);
    EXPECT_TRUE(std::ranges::equal(block.jets.offsets, want.offsets));
#define JETCAL_SAME(type, name) \
  EXPECT_TRUE(std::ranges::equal(block.jets.name, want.name)) << #name;
    JETCAL_JET_COLUMNS(JETCAL_SAME)
    JETCAL_PARTICLE_COLUMNS(JETCAL_SAME)
#undef JETCAL_SAME
    // Nothing is copied: what is viewed lies where it was read to.
    const std::span<const std::byte> memory = block.memory.bytes();
    const auto pf_pt = std::as_bytes(block.jets.pf_pt);
    EXPECT_GE(pf_pt.data(), memory.data());
    EXPECT_LE(pf_pt.data() + pf_pt.size(), memory.data() + memory.size());
  }
  EXPECT_EQ(open(Split::Test).num_jets(), 0);
}

TEST_F(JetStreamTest, GivesWhatTheMappedFilesGiveForEveryWindowAndNumberOfConnections) {
  const JetBlocks blocks = open();
  for (const std::int64_t window : {1, 2, 3, 10}) {
    for (const int connections : {1, 4}) {
      const RowOrder order = RowOrder::shuffled(blocks.starts(), window, 1, 2);
      JetStream stream(blocks, order, connections);
      edm::FeatureBatch got;
      // Three jets, the smallest block, reach over two windows at most.
      for (std::int64_t begin = 0; begin < order.num_rows(); begin += 3) {
        const std::int64_t end = std::min<std::int64_t>(begin + 3, order.num_rows());
        stream.append(begin, end, edm::InputMode::Paper, got);
      }
      expect_same(got, mapped(order));
      EXPECT_LE(stream.most_blocks(), 2 * window);
    }
  }
}

TEST_F(JetStreamTest, StartsAnywhereWithoutReadingWhatLiesBefore) {
  std::atomic<int> reads{0};
  const auto store = std::make_shared<WatchedStore>(
      shards_, [&reads](const std::string&, std::int64_t) { ++reads; });
  const JetBlocks blocks = JetBlocks::open(store, Split::Train, 2);
  const RowOrder order = RowOrder::shuffled(blocks.starts(), 2, 3, 1);
  RowCursor cursor(order);
  for (const std::int64_t begin : {0, 40, 100, 122}) {
    reads = 0;
    JetStream stream(blocks, order, 2);
    edm::FeatureBatch got;
    const auto rows = stream.append(begin, 123, edm::InputMode::Paper, got);
    EXPECT_TRUE(std::ranges::equal(rows, cursor.rows(begin, 123)));
    EXPECT_EQ(got.num_jets(), 123 - begin);
    EXPECT_EQ(reads, 10 - 2 * order.window_of(begin));
  }
}

TEST_F(JetStreamTest, TakesBatchesThatReachOverManyWindows) {
  const JetBlocks blocks = open();
  const RowOrder order = RowOrder::shuffled(blocks.starts(), 1, 1, 0);
  JetStream stream(blocks, order, 2);
  edm::FeatureBatch got;
  stream.append(0, 100, edm::InputMode::Paper, got);
  stream.append(100, 123, edm::InputMode::Paper, got);
  expect_same(got, mapped(order));
}

TEST_F(JetStreamTest, LeavesOutWhatAWorkerSkips) {
  const JetBlocks blocks = open();
  const RowOrder order = RowOrder::shuffled(blocks.starts(), 1, 1, 0);
  JetStream stream(blocks, order, 3);
  RowCursor cursor(order);
  for (const std::int64_t begin : {0, 60, 61, 121}) {
    edm::FeatureBatch got, want;
    stream.append(begin, begin + 1, edm::InputMode::Paper, got);
    Dataset::open(shards_, Split::Train)
        .append_features(cursor.rows(begin, begin + 1), edm::InputMode::Paper, want);
    expect_same(got, want);
  }
}

TEST_F(JetStreamTest, EndsWhileBlocksAreUnderWay) {
  const JetBlocks blocks = open();
  for (int i = 0; i < 20; ++i) {
    JetStream stream(blocks, RowOrder::shuffled(blocks.starts(), 2, i, 0), 4);
    edm::FeatureBatch got;
    if (i % 2 == 0) stream.append(0, 1, edm::InputMode::Paper, got);
  }
}

TEST_F(JetStreamTest, TellsOfALostBlockWhenItIsNeeded) {
  std::atomic<bool> broken{false};
  const auto store =
      std::make_shared<WatchedStore>(shards_, [&broken](const std::string& file, std::int64_t) {
        if (broken && file == "train-00002.arrow") fail(ErrorCode::Unavailable, "the server died");
      });
  const JetBlocks blocks = JetBlocks::open(store, Split::Train, 2);
  broken = true;
  JetStream stream(blocks, RowOrder::stored(blocks.starts(), 1), 2);
  edm::FeatureBatch got;
  stream.append(0, 100, edm::InputMode::Paper, got);
  for (int call = 0; call < 2; ++call) {
    try {
      stream.append(100, 123, edm::InputMode::Paper, got);
      FAIL() << "the lost block was not missed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Unavailable);
      EXPECT_THAT(error.what(), HasSubstr("the server died"));
    }
  }
}

TEST_F(JetStreamTest, MakesTheWindowFromTheMemory) {
  const JetBlocks blocks = open();
  const std::int64_t block = blocks.largest_block_bytes();
  EXPECT_EQ(window_blocks(blocks, 2 * block), 1);
  EXPECT_EQ(window_blocks(blocks, 7 * block), 3);
  EXPECT_EQ(window_blocks(blocks, 1000 * block), 10);  // there are no more
  EXPECT_THROW(window_blocks(blocks, 2 * block - 1), Error);
}

TEST_F(JetStreamTest, LoadsEverythingIntoMemory) {
  const Dataset mapped_files = Dataset::open(shards_, Split::Train);
  const LoadedJets whole = load_dataset(open(), 3);
  EXPECT_TRUE(whole.weights.empty());
  const Dataset& loaded = whole.jets;
  EXPECT_EQ(loaded.num_jets(), mapped_files.num_jets());
  EXPECT_EQ(loaded.num_particles(), mapped_files.num_particles());
  const std::vector<std::int64_t> rows = epoch_order(loaded.num_jets(), 1, 0);
  edm::FeatureBatch got, want;
  loaded.append_features(rows, edm::InputMode::Constituents, got);
  mapped_files.append_features(rows, edm::InputMode::Constituents, want);
  expect_same(got, want);
}

TEST_F(JetStreamTest, ReadsTargetsWithoutTheParticles) {
  const JetBlocks blocks = open();
  ASSERT_TRUE(blocks.particles_usable());
  const StoreCounts before = blocks.store().counts();
  for (const int connections : {1, 3}) {
    const JetTargets targets = load_targets(blocks, connections);
    EXPECT_EQ(targets.target, mapped(RowOrder::stored(blocks.starts(), 1)).target);
    EXPECT_TRUE(targets.weight.empty());
  }
  const StoreCounts after = blocks.store().counts();
  // Of each block its description and two columns.
  EXPECT_EQ(after.reads - before.reads, 2 * 3 * blocks.num_blocks());
  EXPECT_LT(after.bytes - before.bytes, blocks.total_bytes());  // of both passes
}

TEST_F(JetStreamTest, ReadsWeightsBesideTheTargets) {
  DataRules rules;
  rules.weight = "pt_reco / 50";
  std::filesystem::remove_all(shards_);
  write_shards(rules);
  const JetBlocks blocks = open();
  ASSERT_TRUE(blocks.has_weights());
  const JetTargets targets = load_targets(blocks, 2);
  EXPECT_EQ(targets.target, mapped(RowOrder::stored(blocks.starts(), 1)).target);
  EXPECT_EQ(targets.weight, load_dataset(blocks, 2).weights);
}

TEST_F(JetStreamTest, TellsOfAStoreThatFailsAmongTheTargets) {
  std::atomic<int> left{1000};
  const auto store = std::make_shared<WatchedStore>(shards_, [&](const std::string&, std::int64_t) {
    if (--left < 0) fail(ErrorCode::Unavailable, "the server died");
  });
  const JetBlocks blocks = JetBlocks::open(store, Split::Train, 2);
  for (const int reads : {0, 1, 2, 7}) {
    left = reads;
    try {
      load_targets(blocks, 2);
      FAIL() << "the server was not missed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Unavailable);
      EXPECT_STREQ(error.what(), "the server died");
    }
  }
}

TEST_F(JetStreamTest, HearsACheckBetweenTheTargets) {
  const JetBlocks blocks = open();
  EXPECT_THROW(load_targets(blocks, 1, [] { fail(ErrorCode::Cancelled, "stopped"); }), Error);
}

TEST_F(JetStreamTest, FingerprintTellsSamplesApart) {
  const std::string before = open().fingerprint();
  EXPECT_EQ(open().fingerprint(), before);
  write_jet_ntuple(folder_ / "2.root", make_jets(3, 99));
  std::filesystem::remove_all(shards_);
  SetUp();
  EXPECT_EQ(open().fingerprint(), before);  // SetUp writes the same jets again
  const std::filesystem::path shard = shards_ / "train-00000.arrow";
  std::string content = read_file(shard);
  ASSERT_GT(content.size(), 24000U);
  content[20000] ^= 1;  // neither schema and first columns nor footer
  write_file(shard, content);
  EXPECT_EQ(open().fingerprint(), before);  // only both ends are read
  content[12000] ^= 1;
  write_file(shard, content);
  EXPECT_NE(open().fingerprint(), before);
}

TEST_F(JetStreamTest, NamesAShardThatIsCutAnywhere) {
  const std::filesystem::path shard = shards_ / "train-00001.arrow";
  const std::string content = read_file(shard);
  for (std::size_t size = 0; size < content.size(); size += 1 + content.size() / 97) {
    write_file(shard, content.substr(0, size));
    const std::optional<Error> error = open_error();
    ASSERT_TRUE(error) << size;
    EXPECT_EQ(error->code(), ErrorCode::DataLoss);
    EXPECT_THAT(error->what(), HasSubstr("train-00001.arrow"));
  }
  std::filesystem::remove(shard);
  EXPECT_EQ(open_error()->code(), ErrorCode::NotFound);
  EXPECT_THAT(open_error()->what(), HasSubstr("train-00001.arrow"));
}

TEST_F(JetStreamTest, SurvivesChangedBytesAllOverAShard) {
  const std::filesystem::path shard = shards_ / "train-00002.arrow";
  const std::string content = read_file(shard);
  for (std::size_t at = 0; at < content.size(); at += 1 + at % 11) {
    std::string changed = content;
    changed[at] = static_cast<char>(changed[at] ^ 0xA5);
    std::ofstream(shard, std::ios::binary) << changed;
    try {
      const JetBlocks blocks = open();
      JetBlock block;
      blocks.load(blocks.num_blocks() - 1, block);
      JetTargets targets;
      blocks.append_targets(blocks.num_blocks() - 1, targets);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::DataLoss);
      EXPECT_THAT(error.what(), HasSubstr("train-00002.arrow")) << at;
    }
  }
}

TEST_F(JetStreamTest, RefusesOtherBlocksThanTheManifestSays) {
  std::string manifest = read_file(shards_ / "manifest.json");
  const std::string field = "\"shard_batch_jets\": 16";
  ASSERT_NE(manifest.find(field), std::string::npos);
  manifest.replace(manifest.find(field), field.size(), "\"shard_batch_jets\": 20");
  write_file(shards_ / "manifest.json", manifest);
  ASSERT_TRUE(open_error());
  EXPECT_EQ(open_error()->code(), ErrorCode::DataLoss);
  EXPECT_THAT(open_error()->what(), HasSubstr("record batches"));
}

}  // namespace
}  // namespace jetcal::data
