// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/content_hash.h"

#include <gmock/gmock.h>

#include <fstream>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;

class ContentHashTest : public ::testing::Test {
 protected:
  ContentHashTest() { fs::create_directories(folder_ / "a" / "deep"); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  TemporaryFolder folder_;
};

TEST_F(ContentHashTest, IsTheStandardsSha256) {
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  write("a/x", "abc");
  EXPECT_EQ(hash_content(folder_ / "a" / "x").sha256, sha256("abc"));
}

TEST_F(ContentHashTest, OfAFolderFollowsNamesAndContentsOnly) {
  write("a/x", "1");
  write("a/deep/y", "2");
  const ContentHash first = hash_content(folder_ / "a");
  ASSERT_EQ(first.files.size(), 2U);
  EXPECT_EQ(first.files[0].path, "deep/y");
  EXPECT_EQ(first.bytes, 2U);
  fs::last_write_time(folder_ / "a" / "x",
                      fs::file_time_type::clock::now() - std::chrono::hours(5));
  EXPECT_EQ(hash_content(folder_ / "a").sha256, first.sha256);
  write("a/x", "3");
  EXPECT_NE(hash_content(folder_ / "a").sha256, first.sha256);
  write("a/x", "1");
  fs::rename(folder_ / "a" / "deep" / "y", folder_ / "a" / "deep" / "z");
  EXPECT_NE(hash_content(folder_ / "a").sha256, first.sha256);
}

TEST_F(ContentHashTest, RefusesWhatIsMissingOrNoFile) {
  EXPECT_THROW(hash_content(folder_ / "none"), Error);
  EXPECT_THROW(hash_content("/dev/null"), Error);
  fs::create_directory_symlink("/etc", folder_ / "a" / "link");
  EXPECT_THROW(hash_content(folder_ / "a"), Error);
}

TEST_F(ContentHashTest, CacheForgetsWhatChanged) {
  write("a/x", "old");
  fs::last_write_time(folder_ / "a" / "x",
                      fs::file_time_type::clock::now() - std::chrono::hours(1));
  {
    HashCache cache(folder_ / "cache");
    hash_content(folder_ / "a" / "x", &cache);
    EXPECT_EQ(cache.find(folder_ / "a" / "x"), "") << "changed (ctime) just now, so not remembered";
    cache.save();
  }
  ::sleep(3);
  {
    HashCache cache(folder_ / "cache");
    hash_content(folder_ / "a" / "x", &cache);
    cache.save();
  }
  HashCache cache(folder_ / "cache");
  EXPECT_EQ(cache.find(folder_ / "a" / "x"), sha256("old"));
  write("a/x", "new");
  EXPECT_EQ(cache.find(folder_ / "a" / "x"), "");
  EXPECT_EQ(hash_content(folder_ / "a" / "x", &cache).sha256, sha256("new"));
  std::ofstream(folder_ / "cache") << "damaged\n\t\t\nx\ty\tz\n";
  EXPECT_EQ(HashCache(folder_ / "cache").find(folder_ / "a" / "x"), "");
}

TEST_F(ContentHashTest, RemembersWhatLiesElsewhereByWhatItsServerSays) {
  {
    HashCache cache(folder_ / "cache");
    cache.remember("s3://bucket/a", "etag 3", sha256("a"));
    cache.remember("s3://bucket/b", "", sha256("b"));
    cache.save();
  }
  const HashCache cache(folder_ / "cache");
  EXPECT_EQ(cache.find("s3://bucket/a", "etag 3"), sha256("a"));
  EXPECT_EQ(cache.find("s3://bucket/a", "etag 4"), "");
  EXPECT_EQ(cache.find("s3://bucket/b", ""), "") << "a server that says nothing is asked again";
}

}  // namespace
}  // namespace jetcal::pipeline
