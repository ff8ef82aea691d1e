// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/run_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

constexpr double kStart = 1.7e9;

EpochRecord record(std::int64_t epoch) {
  EpochRecord epoch_record;
  epoch_record.epoch = epoch;
  epoch_record.train_loss = 0.1 / static_cast<double>(epoch);
  epoch_record.validation_loss = 8.7e-5;
  epoch_record.learning_rate = 1e-3;
  epoch_record.jets_per_second = 1234.5;
  epoch_record.seconds = 2;
  epoch_record.wall_time = kStart + static_cast<double>(epoch);
  return epoch_record;
}

// Katib's default filter (physics of its File and StdOut collectors: pipeline.md, section 1).
std::map<std::string, double> katib_metrics(const std::string& line) {
  static const std::regex filter(R"(([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?))");
  std::map<std::string, double> metrics;
  for (std::sregex_iterator match(line.begin(), line.end(), filter), end; match != end; ++match) {
    metrics[(*match)[1]] = std::stod((*match)[2]);
  }
  return metrics;
}

std::string event_file(const std::filesystem::path& folder) {
  std::string content;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "tensorboard")) {
    EXPECT_THAT(entry.path().filename().string(), testing::StartsWith("events.out.tfevents."));
    content = read_file(entry.path());
    ++count;
  }
  EXPECT_EQ(count, 1);
  return content;
}

TEST(MetricsLine, IsReadByKatibsFilter) {
  const std::map<std::string, double> metrics = katib_metrics(metrics_line(record(3)));
  EXPECT_EQ(metrics.at("epoch"), 3);
  EXPECT_EQ(metrics.at("train_loss"), 0.1 / 3);
  EXPECT_EQ(metrics.at("validation_loss"), 8.7e-5);
  EXPECT_EQ(metrics.at("learning_rate"), 1e-3);
  EXPECT_THAT(metrics_line(record(3)), testing::StartsWith("2023-11-14T22:13:23Z epoch=3 "));
  EXPECT_EQ(katib_metrics(metrics_line(TestResult{0.0876, 0.0948, 0.0916, kStart})).at("test_loss"),
            0.0876);
}

TEST(RunFiles, GrowToWhatARewriteGives) {
  const TemporaryFolder grown;
  const TemporaryFolder written;
  const std::vector<EpochRecord> history{record(1), record(2), record(3)};
  const TestResult test{0.0876, 0.0948, 0.0916, kStart + 9};
  const RunFiles files(grown.path(), kStart, {}, {}, "/data/shards");
  files.rewrite({}, std::nullopt);
  for (std::size_t n = 1; n <= history.size(); ++n)
    files.add_epoch({history.begin(), history.begin() + static_cast<std::ptrdiff_t>(n)});
  files.add_test(history, test);
  RunFiles(written.path(), kStart, {}, {}, "/data/shards").rewrite(history, test);
  EXPECT_NE(read_file(grown.path() / "history.json").find("\"data\": \"/data/shards\""),
            std::string::npos);
  for (const char* const name : {"metrics.txt", "history.json"}) {
    EXPECT_EQ(read_file(grown.path() / name), read_file(written.path() / name)) << name;
  }
  EXPECT_EQ(event_file(grown.path()), event_file(written.path()));
}

TEST(RunFiles, GetEveryLineOnceWhereMetricsFileIsMetricsTxt) {
  const TemporaryFolder folder;
  const RunFiles files(folder.path(), kStart, {}, folder.path() / "." / "metrics.txt");
  files.rewrite({}, std::nullopt);
  files.add_epoch({record(1)});
  EXPECT_EQ(read_file(folder.path() / "metrics.txt"), metrics_line(record(1)));
}

TEST(RunFiles, KeepTheHistoryOfJetsInAFolderOfAnyName) {
  const TemporaryFolder folder;
  RunFiles(folder.path(), kStart, {}, {}, "/data/j\xe4ts").rewrite({record(1)}, std::nullopt);
  const nlohmann::json history = nlohmann::json::parse(read_file(folder.path() / "history.json"));
  EXPECT_EQ(history.at("epochs").size(), 1U);
  EXPECT_THAT(history.at("data").get<std::string>(), testing::StartsWith("/data/j"));
}

TEST(RunFiles, RewriteCutsWhatAKilledProcessWroteTooMuch) {
  const TemporaryFolder folder;
  const RunFiles files(folder.path(), kStart);
  files.rewrite({record(1)}, std::nullopt);
  const std::string metrics = read_file(folder.path() / "metrics.txt");
  const std::string events = event_file(folder.path());
  files.add_epoch({record(1), record(2)});
  EXPECT_NE(read_file(folder.path() / "metrics.txt"), metrics);
  files.rewrite({record(1)}, std::nullopt);
  EXPECT_EQ(read_file(folder.path() / "metrics.txt"), metrics);
  EXPECT_EQ(event_file(folder.path()), events);
}

}  // namespace
}  // namespace jetcal::train
