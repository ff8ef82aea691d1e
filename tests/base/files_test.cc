// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(Files, WritesCompletelyAndReadsBack) {
  const fs::path path = folder_ / "new" / "a.txt";
  write_file(path, std::string("one\0two", 7));
  EXPECT_EQ(read_file(path), std::string("one\0two", 7));
  EXPECT_FALSE(fs::exists(path.string() + ".part"));
}

TEST_F(Files, AFolderGetsItsFilesAtOnceAndKeepsOthers) {
  const fs::path target = folder_ / "out";
  write_file(target / "old.txt", "old");
  write_file(target / "both.txt", "old");
  fs::create_directories(target.string() + ".part");
  std::ofstream(target.string() + ".part/leftover.txt") << "of a killed run";
  {
    const PartialFolder dropped(target / "");  // a slash at the end names the same folder
    std::ofstream(dropped.path() / "both.txt") << "never";
  }
  EXPECT_EQ(read_file(target / "both.txt"), "old");
  PartialFolder folder(target);
  std::ofstream(folder.path() / "both.txt") << "new";
  EXPECT_EQ(read_file(target / "both.txt"), "old");
  folder.commit();
  EXPECT_EQ(read_file(target / "both.txt"), "new");
  EXPECT_EQ(read_file(target / "old.txt"), "old");
  EXPECT_FALSE(fs::exists(target / "leftover.txt"));
}

TEST_F(Files, AFolderIsNotMadeOverAFile) {
  const fs::path file = folder_ / "file";
  write_file(file, "here");
  EXPECT_THROW(PartialFolder{file}, Error);
  EXPECT_EQ(read_file(file), "here");
}

TEST_F(Files, LeavesTheOldFileWhenNotCommitted) {
  const fs::path path = folder_ / "a.txt";
  write_file(path, "old");
  {
    const PartialFile part(path);
    std::ofstream(part.path()) << "half of the new";
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_FALSE(fs::exists(path.string() + ".part"));
}

TEST_F(Files, ReportsAFullDiskAndLeavesNothing) {
  const fs::path full = "/dev/full";
  if (!fs::exists(full)) GTEST_SKIP() << "no /dev/full here";
  // A link named like the partial file sends the bytes to a device that is always full.
  fs::create_symlink(full, folder_ / "a.txt.part");
  try {
    write_file(folder_ / "a.txt", std::string(1 << 16, 'x'));
    FAIL() << "a full disk went unnoticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::ResourceExhausted) << error.what();
  }
  EXPECT_FALSE(fs::exists(folder_ / "a.txt"));
  EXPECT_FALSE(fs::exists(fs::symlink_status(folder_ / "a.txt.part")));
}

TEST_F(Files, GlobsInOrderAndSaysWhenNothingMatches) {
  for (const char* name : {"b.root", "a.root", "c.txt"}) write_file(folder_ / name, "x");
  const auto found = glob_files((folder_ / "*.root").string());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].filename(), "a.root");
  EXPECT_THROW(glob_files((folder_ / "*.csv").string()), Error);
}

}  // namespace
}  // namespace jetcal
