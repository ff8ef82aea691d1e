// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/repository_mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::engine::detail {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// A folder is a store too, so no server is needed here.
class RepositoryMirrorTest : public testing::Test {
 protected:
  void SetUp() override {
    put("first/config.pbtxt", "a");
    put("first/1/model.onnx", "weights");
    put("second/1/model.onnx", "other");
  }

  void put(const std::string& name, const std::string& text) {
    write_file(root_ / "store" / name, text);
  }
  std::unique_ptr<RepositoryMirror> open(bool kept = true) {
    return std::make_unique<RepositoryMirror>((root_ / "store").string(),
                                              kept ? root_ / "cache" : fs::path());
  }
  static bool every(const std::string&) { return true; }
  std::string cached(const std::string& name) { return read_file(root_ / "cache" / name); }
  ino_t inode(const std::string& name) {
    struct stat status {};
    ::stat((root_ / "cache" / name).c_str(), &status);
    return status.st_ino;
  }

  const TemporaryFolder root_;
};

TEST_F(RepositoryMirrorTest, CopiesEveryModelThatIsWanted) {
  const auto mirror = open();
  ASSERT_FALSE(mirror->refresh([](const std::string& model) { return model == "first"; }));
  EXPECT_THAT(mirror->names(), ElementsAre("first", "second"));
  EXPECT_EQ(cached("first/1/model.onnx"), "weights");
  EXPECT_FALSE(fs::exists(root_ / "cache" / "second"));
  ASSERT_FALSE(mirror->refresh_model("second"));
  EXPECT_EQ(cached("second/1/model.onnx"), "other");
}

TEST_F(RepositoryMirrorTest, TakesWhatIsNewAndKeepsWhatIsTheSame) {
  const auto mirror = open();
  ASSERT_FALSE(mirror->refresh(every));
  const ino_t weights = inode("first/1/model.onnx");
  const ino_t other = inode("second/1/model.onnx");
  put("first/2/model.onnx", "newer");
  put("first/config.pbtxt", "another");
  ASSERT_FALSE(mirror->refresh(every));
  EXPECT_EQ(cached("first/2/model.onnx"), "newer");
  EXPECT_EQ(cached("first/config.pbtxt"), "another");
  EXPECT_EQ(inode("first/1/model.onnx"), weights);
  EXPECT_EQ(inode("second/1/model.onnx"), other);
}

TEST_F(RepositoryMirrorTest, DropsWhatIsGone) {
  const auto mirror = open();
  ASSERT_FALSE(mirror->refresh(every));
  fs::remove_all(root_ / "store" / "first" / "1");
  fs::remove_all(root_ / "store" / "second");
  ASSERT_FALSE(mirror->refresh(every));
  EXPECT_THAT(mirror->names(), ElementsAre("first"));
  EXPECT_FALSE(fs::exists(root_ / "cache" / "first" / "1"));
  EXPECT_FALSE(fs::exists(root_ / "cache" / "second"));
}

TEST_F(RepositoryMirrorTest, AModelThatNoFileCanHoldKeepsNoOtherAway) {
  const std::string longest(255, 'n');  // leaves no room for the name of a copy
  put(longest + "/1/model.onnx", "unlucky");
  const auto mirror = open();
  EXPECT_FALSE(mirror->refresh(every));
  EXPECT_FALSE(mirror->problem());
  EXPECT_EQ(cached("first/1/model.onnx"), "weights");
  EXPECT_EQ(cached("second/1/model.onnx"), "other");
  fs::remove_all(root_ / "store" / longest);
  EXPECT_FALSE(mirror->refresh(every));
  EXPECT_FALSE(mirror->refresh_model(std::string(300, 'm')));
  EXPECT_THAT(mirror->names(), ElementsAre("first", "second"));
}

TEST_F(RepositoryMirrorTest, AStoreThatIsGoneChangesNothing) {
  const auto mirror = open();
  ASSERT_FALSE(mirror->refresh(every));
  fs::rename(root_ / "store", root_ / "away");
  EXPECT_TRUE(mirror->refresh(every));
  EXPECT_TRUE(mirror->problem());
  EXPECT_EQ(cached("first/1/model.onnx"), "weights");
  EXPECT_THAT(mirror->names(), ElementsAre("first", "second"));
  fs::rename(root_ / "away", root_ / "store");
  EXPECT_FALSE(mirror->refresh(every));
  EXPECT_FALSE(mirror->problem());
}

TEST_F(RepositoryMirrorTest, ACacheBelongsToOneAndIsTidiedUp) {
  auto first = open();
  ASSERT_FALSE(first->refresh(every));
  try {
    open();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("another server uses it"));
  }
  first.reset();
  write_file(root_ / "cache" / ".staged-first" / "half", "half");
  const auto second = open();
  EXPECT_FALSE(fs::exists(root_ / "cache" / ".staged-first"));
  EXPECT_THAT(second->names(), ElementsAre("first", "second"));  // known before the store is asked
}

TEST_F(RepositoryMirrorTest, AFolderOfItsOwnGoesWithIt) {
  auto mirror = open(false);
  ASSERT_FALSE(mirror->refresh(every));
  const fs::path folder = mirror->folder();
  EXPECT_TRUE(fs::exists(folder / "first"));
  mirror.reset();
  EXPECT_FALSE(fs::exists(folder));
}

}  // namespace
}  // namespace jetcal::engine::detail
