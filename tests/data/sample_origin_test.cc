// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/sample_origin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/data/ingest.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using ::testing::ElementsAre;

class SampleOriginTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "here");
    write_jet_ntuple(folder_ / "here" / "1.root", make_jets(20, 1));
    write_jet_ntuple(folder_ / "here" / "2.root", make_jets(30, 2));
  }

  SampleOrigin ingest_in(const std::filesystem::path& place, std::uint64_t seed = 1) {
    IngestOptions options;
    options.inputs = {"qcd:" + (place / "?.root").string()};
    options.output = place / "shards";
    options.split.seed = seed;
    ingest(options);
    return read_origin(*open_store(options.output.string()));
  }

  TemporaryFolder folder_;
};

TEST_F(SampleOriginTest, IsTheSameForTheSameFilesElsewhere) {
  const std::filesystem::path there = folder_ / "over" / "there";
  std::filesystem::create_directories(there);
  for (const char* const name : {"1.root", "2.root"})
    std::filesystem::copy_file(folder_ / "here" / name, there / name);
  std::filesystem::last_write_time(
      there / "2.root", std::filesystem::file_time_type::clock::now() - std::chrono::hours(30));
  const SampleOrigin origin = ingest_in(folder_ / "here");
  EXPECT_EQ(origin.manifest.size(), 64U);
  EXPECT_THAT(origin.inputs, ElementsAre("1.root", "2.root"));
  EXPECT_EQ(ingest_in(there).manifest, origin.manifest);
}

TEST_F(SampleOriginTest, ChangesWithOptionsAndFiles) {
  const std::string before = ingest_in(folder_ / "here").manifest;
  std::filesystem::remove_all(folder_ / "here" / "shards");
  EXPECT_NE(ingest_in(folder_ / "here", 2).manifest, before);
  std::filesystem::remove_all(folder_ / "here" / "shards");
  std::filesystem::rename(folder_ / "here" / "2.root", folder_ / "here" / "3.root");
  EXPECT_NE(ingest_in(folder_ / "here").manifest, before);
}

TEST_F(SampleOriginTest, NeedsAFinishedIngest) {
  try {
    read_origin(*open_store((folder_ / "here").string()));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotFound);
  }
}

}  // namespace
}  // namespace jetcal::data
