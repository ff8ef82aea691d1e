// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/ingest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/base/threads.h"
#include "jetcal/data/detail/output_folder.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;

std::map<std::string, std::string> read_folder(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder))
    files[entry.path().filename()] = read_file(entry.path());
  return files;
}

ErrorCode ingest_error(const IngestOptions& options, std::string* text = nullptr) {
  try {
    ingest(options);
  } catch (const Error& error) {
    if (text != nullptr) *text = error.what();
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::Internal;
}

class IngestTest : public ::testing::Test {
 protected:
  IngestOptions options(const std::string& output) const {
    IngestOptions options;
    options.inputs = {(folder_ / "in*.root").string()};
    options.output = folder_ / output;
    return options;
  }
  void write_inputs(int count) const {
    for (int i = 0; i < count; ++i) {
      write_jet_ntuple(folder_ / ("in" + std::to_string(i) + ".root"),
                       make_jets(400, static_cast<std::uint64_t>(i)));
    }
  }
  TemporaryFolder folder_;
};

TEST_F(IngestTest, CountsEveryRowInOnePlace) {
  edm::JetColumns jets = make_jets(8, 3);
  jets.pt_gen = {30, 30, 0, 30, 30, 20, 30, 30};
  jets.eta_gen = {0, 0, 0, 0, 0, 0, -2.5F, 2.4F};
  jets.pt_reco = {50, 50, 50, 15, 50, 50, 50, 50};
  jets.eta = {0, 0, 0, 0, 2.1F, 0, 0, 1};
  jets.num_pileup[1] = std::numeric_limits<float>::infinity();
  if (jets.offsets[8] > jets.offsets[7]) jets.pf_pt.back() = std::nanf("");
  ASSERT_GT(jets.offsets[8], jets.offsets[7]);
  write_jet_ntuple(folder_ / "in.root", jets);
  IngestOptions with_cuts = options("out");
  with_cuts.selection.reco_pt_min = 15;
  with_cuts.selection.reco_eta_max = 2;
  const IngestCounts counts = ingest(with_cuts).counts;
  EXPECT_EQ(counts.read, 8);
  EXPECT_EQ(counts.not_finite, 1);
  EXPECT_EQ(counts.unmatched, 1);
  EXPECT_EQ(counts.rejected_reco_pt, 1);
  EXPECT_EQ(counts.rejected_reco_eta, 1);
  EXPECT_EQ(counts.rejected_gen_pt, 1);
  EXPECT_EQ(counts.rejected_gen_eta, 1);
  EXPECT_EQ(counts.selected, 2);
  EXPECT_EQ(counts.particles_read, jets.num_particles());
  EXPECT_EQ(counts.particles_selected, jets.offsets[1] + jets.offsets[8] - jets.offsets[7]);
  EXPECT_EQ(counts.particles_unusable, 1);

  IngestOptions unmatched_too = with_cuts;
  unmatched_too.output = folder_ / "unmatched";
  unmatched_too.selection.keep_unmatched = true;
  const IngestCounts kept = ingest(unmatched_too).counts;
  EXPECT_EQ(kept.selected, 3);
  EXPECT_EQ(kept.selected_unmatched, 1);
  EXPECT_EQ(kept.unmatched, 0);
}

TEST_F(IngestTest, KeepsJetsOfOneEventTogetherAndFollowsTheFractions) {
  edm::JetColumns jets = make_jets(3000, 3);
  for (std::size_t i = 0; i < 3000; ++i) jets.event[i] = i / 3;
  write_jet_ntuple(folder_ / "in.root", jets);
  IngestOptions all = options("out");
  all.selection = {.gen_pt_min = -1, .gen_eta_max = 10, .keep_unmatched = true};
  const IngestReport report = ingest(all);
  EXPECT_NEAR(static_cast<double>(report.counts.selected_by_split[0]), 1800, 200);
  EXPECT_NEAR(static_cast<double>(report.counts.selected_by_split[1]), 600, 150);
  std::map<std::uint64_t, std::set<Split>> where;
  std::int64_t total = 0;
  for (const Split split : kSplits) {
    const Dataset dataset = Dataset::open(all.output, split);
    total += dataset.num_jets();
    for (std::int64_t i = 0; i < dataset.num_shards(); ++i) {
      for (const std::uint64_t event : dataset.shard(i).event) where[event].insert(split);
    }
  }
  EXPECT_EQ(total, 3000);
  EXPECT_EQ(where.size(), 1000U);
  for (const auto& [event, splits] : where) EXPECT_EQ(splits.size(), 1U) << event;

  IngestOptions other = all;
  other.output = folder_ / "other";
  other.split.seed = 2;
  EXPECT_NE(ingest(other).counts.selected_by_split, report.counts.selected_by_split);
}

TEST_F(IngestTest, SplitsByFile) {
  write_inputs(3);
  IngestOptions by_file = options("out");
  by_file.split.by = SplitBy::File;
  by_file.split.patterns = {{{"in0.root"}, {"*/in1.root"}, {"in[2-9].root"}}};
  const IngestReport report = ingest(by_file);
  ASSERT_EQ(report.files.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(report.files[i].shards.size(), 1U);
    EXPECT_EQ(report.files[i].shards[0].split, kSplits[i]);
    EXPECT_EQ(report.files[i].counts.selected, report.counts.selected_by_split[i]);
  }
  by_file.output = folder_ / "other";
  by_file.split.patterns[2] = {"in3.root"};
  std::string text;
  EXPECT_EQ(ingest_error(by_file, &text), ErrorCode::InvalidArgument);
  EXPECT_THAT(text, HasSubstr("in2.root"));
  EXPECT_FALSE(fs::exists(by_file.output));
}

TEST_F(IngestTest, GivesTheSameBytesForAnyNumberOfThreads) {
  write_inputs(4);
  set_num_threads(1);
  ingest(options("one"));
  set_num_threads(3);
  ingest(options("three"));
  set_num_threads(0);
  EXPECT_EQ(read_folder(folder_ / "one"), read_folder(folder_ / "three"));
}

TEST_F(IngestTest, ResumesWithoutReadingFinishedFilesAgain) {
  write_inputs(3);
  const IngestReport first = ingest(options("whole"));
  EXPECT_EQ(first.files_resumed, 0);
  set_num_threads(1);
  // A run that ends in the middle of its second file, leaving what a kill leaves.
  struct Stop {};
  EXPECT_THROW(ingest(options("killed"),
                      [](std::int64_t, std::int64_t done, std::int64_t) {
                        if (done == 1) throw Stop{};
                      }),
               Stop);
  set_num_threads(0);
  write_file(folder_ / "killed/train-00001.arrow.part", "half a shard");
  write_file(folder_ / "killed/train-00002.arrow", "a shard that no manifest knows");
  EXPECT_THROW(Dataset::open(folder_ / "killed", Split::Train), Error);
  const IngestReport resumed = ingest(options("killed"));
  EXPECT_EQ(resumed.files_resumed, 1);
  EXPECT_EQ(resumed.counts.selected, first.counts.selected);
  EXPECT_EQ(read_folder(folder_ / "killed"), read_folder(folder_ / "whole"));
  EXPECT_EQ(ingest(options("killed")).files_resumed, 3);
}

TEST_F(IngestTest, ReadsAgainWhatChangedSinceThen) {
  write_inputs(2);
  ingest(options("out"));
  write_jet_ntuple(folder_ / "in1.root", make_jets(100, 77));
  const IngestReport report = ingest(options("out"));
  EXPECT_EQ(report.files_resumed, 1);
  EXPECT_EQ(report.files[1].counts.read, 100);
}

TEST_F(IngestTest, RefusesOtherOptionsInTheSameFolder) {
  write_inputs(1);
  ingest(options("out"));
  const auto before = read_folder(folder_ / "out");
  IngestOptions other = options("out");
  other.selection.gen_pt_min = 25;
  EXPECT_EQ(ingest_error(other), ErrorCode::FailedPrecondition);
  other = options("out");
  other.split.seed = 9;
  EXPECT_EQ(ingest_error(other), ErrorCode::FailedPrecondition);
  write_inputs(2);
  EXPECT_EQ(ingest_error(options("out")), ErrorCode::FailedPrecondition);
  EXPECT_EQ(read_folder(folder_ / "out"), before);
}

TEST_F(IngestTest, RefusesBadOptions) {
  write_inputs(1);
  IngestOptions bad = options("out");
  bad.split.fractions = {0.6, 0.2, 0.1};
  EXPECT_EQ(ingest_error(bad), ErrorCode::InvalidArgument);
  bad = options("out");
  bad.selection.gen_pt_min = std::nan("");
  EXPECT_EQ(ingest_error(bad), ErrorCode::InvalidArgument);
  bad = options("out");
  bad.inputs.push_back((folder_ / "in0.root").string());
  EXPECT_EQ(ingest_error(bad), ErrorCode::InvalidArgument);
  bad = options("out");
  bad.inputs = {(folder_ / "nothing*.root").string()};
  EXPECT_EQ(ingest_error(bad), ErrorCode::NotFound);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(IngestTest, LeavesNoShardOfABadFile) {
  write_inputs(2);
  const std::string bytes = read_file(folder_ / "in1.root");
  write_file(folder_ / "in1.root", bytes.substr(0, bytes.size() / 2));
  set_num_threads(1);
  EXPECT_EQ(ingest_error(options("out")), ErrorCode::DataLoss);
  set_num_threads(0);
  for (const auto& [name, content] : read_folder(folder_ / "out"))
    EXPECT_TRUE(name == "manifest.json" || name.find("-00000.arrow") == name.size() - 12) << name;
}

TEST_F(IngestTest, LeavesNoPartOfAShardOnAFullDisk) {
  write_inputs(1);
  const SmallDisk disk(folder_ / "out", 16);
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a small file system";
  std::string text;
  EXPECT_EQ(ingest_error(options("out"), &text), ErrorCode::ResourceExhausted);
  EXPECT_THAT(text, HasSubstr(".arrow"));
  EXPECT_TRUE(read_folder(folder_ / "out").empty());
}

TEST_F(IngestTest, RefusesMixedSchemasBeforeItReadsAny) {
  write_jet_ntuple(folder_ / "in0.root", make_jets(20, 1));
  write_nano(folder_ / "in1.root", true, Candidates::None);
  std::string text;
  EXPECT_EQ(ingest_error(options("out"), &text), ErrorCode::InvalidArgument);
  EXPECT_THAT(text, HasSubstr((folder_ / "in0.root").string() + " is jetntuple"));
  EXPECT_THAT(text, HasSubstr((folder_ / "in1.root").string() + " is nanoaod-v12-like"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(IngestTest, RefusesAFolderThatAnotherIngestHolds) {
  write_inputs(1);
  std::string text;
  {
    const detail::OutputFolder held(folder_ / "out");
    EXPECT_EQ(ingest_error(options("out"), &text), ErrorCode::FailedPrecondition);
    EXPECT_THAT(text, HasSubstr("another ingest is writing into"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_GT(ingest(options("out")).counts.selected, 0);
}

}  // namespace
}  // namespace jetcal::data
