// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/file_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using ::testing::HasSubstr;

TEST(FileStore, TellsObjectStoresFromFolders) {
  EXPECT_TRUE(is_remote("s3://bucket/prefix"));
  EXPECT_FALSE(is_remote("s3/bucket"));
  EXPECT_FALSE(is_remote("/folder"));
  EXPECT_THROW(open_store("s3://"), Error);
  EXPECT_THROW(open_store("s3:///prefix"), Error);
}

TEST(FileStore, ReadsRangesOfAFolderAndCountsThem) {
  const TemporaryFolder folder;
  write_file(folder / "file", "0123456789");
  const auto store = open_store(folder.path().string());
  EXPECT_EQ(store->read_all("file"), "0123456789");
  std::array<std::byte, 3> range{};
  store->read("file", 4, range);
  EXPECT_EQ(static_cast<char>(range[2]), '6');
  EXPECT_EQ(store->counts().reads, 2);
  EXPECT_EQ(store->counts().bytes, 13);
  try {
    store->read("file", 8, range);
    FAIL() << "read beyond the end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::DataLoss);
    EXPECT_THAT(error.what(), HasSubstr("ends at byte 10, before byte 11"));
  }
  EXPECT_THROW(store->size("other"), Error);
}

}  // namespace
}  // namespace jetcal::data
