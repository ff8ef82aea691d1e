// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/discovery.h"

#include <gtest/gtest.h>

#include <fstream>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/board/log_tail.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

class Discovery : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text = "x") {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  const TemporaryFolder temporary_;
  const fs::path root_ = temporary_.path();
};

TEST_F(Discovery, FindsEachKindOnceAndNothingBehindLinks) {
  fs::create_directories(root_ / "p/runs");
  fs::create_directories(root_ / "p/steps");
  write("train/history.json", "{}");
  write("train/model.jetcal");
  write("repository/optimal/config.pbtxt");
  write("repository/optimal/1/model.jetcal");
  write("report/report.json", "{}");
  write("report/index.html");
  write("study/study.db", std::string("SQLite format 3\0", 16));
  write("study/trials/00000/run/history.json", "{}");
  write(".hidden/model.jetcal");
  fs::create_directory_symlink(root_ / "train", root_ / "again");
  const Scan scan = look_through({{root_}, {root_ / "train"}});
  EXPECT_EQ(scan.all(Kind::Pipeline).size(), 1U);
  EXPECT_EQ(scan.all(Kind::Training).size(), 1U);
  EXPECT_EQ(scan.all(Kind::Model).size(), 1U);  // the repository shows its own
  EXPECT_EQ(scan.all(Kind::Repository).size(), 1U);
  EXPECT_EQ(scan.all(Kind::Report).size(), 1U);
  EXPECT_EQ(scan.all(Kind::Study).size(), 1U);
  EXPECT_TRUE(scan.remarks.empty());
  const Found* model = scan.all(Kind::Model).front();
  EXPECT_EQ(model->name, "train/model.jetcal");
  EXPECT_EQ(scan.find(Kind::Model, model->id), model);
  EXPECT_EQ(scan.find(Kind::Study, model->id), nullptr);
}

TEST_F(Discovery, SaysWhatItLeavesOut) {
  for (int i = 0; i < 30; ++i) write("many/" + std::to_string(i) + ".txt");
  write("a/b/c/d/model.jetcal");
  const Scan few = look_through({{root_}}, {.depth = 8, .entries = 10});
  ASSERT_EQ(few.remarks.size(), 1U);
  EXPECT_NE(few.remarks[0].find("after 10 files"), std::string::npos);
  const Scan flat = look_through({{root_}}, {.depth = 2, .entries = 1000});
  ASSERT_EQ(flat.remarks.size(), 1U);
  EXPECT_NE(flat.remarks[0].find("too deep"), std::string::npos);
  EXPECT_TRUE(flat.found.empty());
  EXPECT_THROW(check_places({{root_ / "nothing"}}), Error);
  EXPECT_THROW(check_places({{root_, false, Kind::Study}}), Error);
}

TEST_F(Discovery, LogsAreReadFromTheirEndAsTheyGrow) {
  write("log", "first\nsecond\nthird\n");
  const LogPiece tail = read_log(root_ / "log", std::nullopt, 9);
  EXPECT_EQ(tail.text, "third\n") << "from the start of a line on";
  EXPECT_EQ(tail.to, tail.size);
  std::ofstream(root_ / "log", std::ios::app) << "fourth\n";
  EXPECT_EQ(read_log(root_ / "log", tail.to).text, "fourth\n");
  EXPECT_EQ(read_log(root_ / "log", 0, 5).text, "first");
  write("log", "new\n");  // shorter than what was read
  EXPECT_EQ(read_log(root_ / "log", tail.to).text, "new\n");
  fs::create_symlink(root_ / "log", root_ / "link");
  EXPECT_THROW(read_log(root_ / "link", std::nullopt), Error);
  EXPECT_THROW(read_log(root_, std::nullopt), Error);
  EXPECT_THROW(read_log(root_ / "nothing", std::nullopt), Error);
}

}  // namespace
}  // namespace jetcal::board
