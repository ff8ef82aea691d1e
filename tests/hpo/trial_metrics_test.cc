// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/trial_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "jetcal/base/temporary_folder.h"

namespace jetcal::hpo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(TrialMetrics, LinesAreReadAsKatibDoes) {
  EXPECT_THAT(parse_metrics_line("2026-11-23T07:00:00Z epoch=3 train_loss=0.25"),
              ElementsAre(Pair("epoch", 3), Pair("train_loss", 0.25)));
  EXPECT_THAT(parse_metrics_line("Validation-accuracy = +9.5e-1, a|b=-2"),
              ElementsAre(Pair("Validation-accuracy", 0.95), Pair("a|b", -2)));
  EXPECT_THAT(parse_metrics_line("lr=ranger x= =3 nothing"), IsEmpty());
  EXPECT_TRUE(std::isnan(parse_metrics_line("loss=nan").at("loss")));
  EXPECT_TRUE(std::isinf(parse_metrics_line("loss=-inf").at("loss")));
}

TEST(TrialMetrics, JsonIsFlattened) {
  EXPECT_THAT(parse_metrics_json(R"({"a": 1, "b": {"c": [2, "3.5", "word"], "d": null}})"),
              ElementsAre(Pair("a", 1), Pair("b.c.0", 2), Pair("b.c.1", 3.5)));
  EXPECT_THAT(parse_metrics_json("{\"a\": "), IsEmpty());
  EXPECT_THAT(parse_metrics_json("17"), IsEmpty());
}

class MetricsFileTest : public ::testing::Test {
 protected:
  void append(const std::string& text) const { std::ofstream(path_, std::ios::app) << text; }

  TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "metrics";
};

TEST_F(MetricsFileTest, GivesEachLineOnceWhenItIsComplete) {
  MetricsFile file(path_, MetricsFile::Format::Text);
  EXPECT_THAT(file.poll(), IsEmpty());  // not there yet
  append("loss=1\nloss=");
  EXPECT_THAT(file.poll(), ElementsAre(ElementsAre(Pair("loss", 1))));
  EXPECT_THAT(file.poll(), IsEmpty());
  append("2");
  EXPECT_THAT(file.poll(), IsEmpty());
  EXPECT_THAT(file.finish(), ElementsAre(ElementsAre(Pair("loss", 2))));
  EXPECT_THAT(file.finish(), IsEmpty());
}

TEST_F(MetricsFileTest, ReplacedFileIsReadFromItsBeginning) {
  MetricsFile file(path_, MetricsFile::Format::Text);
  append("loss=1\nloss=2\n");
  EXPECT_EQ(file.poll().size(), 2U);
  const std::filesystem::path other = path_.string() + ".new";
  std::ofstream(other) << "loss=1\nloss=2\nloss=3\n";
  std::filesystem::rename(other, path_);
  EXPECT_EQ(file.poll().size(), 3U);
}

TEST_F(MetricsFileTest, DocumentMayHaveSeveralLines) {
  MetricsFile file(path_, MetricsFile::Format::Json);
  append("{\n  \"loss\": 1\n}\n");
  EXPECT_THAT(file.finish(), ElementsAre(ElementsAre(Pair("loss", 1))));
  MetricsFile lines(path_, MetricsFile::Format::Json);
  std::ofstream(path_) << "{\"loss\": 1}\n{\"loss\": 2}\n";
  EXPECT_EQ(lines.finish().size(), 2U);
}

TEST_F(MetricsFileTest, DocumentOfSeveralLinesMayBeWrittenWhileTheProgramRuns) {
  MetricsFile file(path_, MetricsFile::Format::Json);
  append("{}\n{\n  \"loss\": 1,\n");
  EXPECT_THAT(file.poll(), IsEmpty());
  append("  \"sizes\": [\n    {\"n\": 7}\n  ]\n");
  EXPECT_THAT(file.poll(), IsEmpty());
  append("}\n");
  EXPECT_THAT(file.poll(), ElementsAre(ElementsAre(Pair("loss", 1), Pair("sizes.0.n", 7))));
  EXPECT_THAT(file.poll(), IsEmpty());
  append("{\"loss\": 2}\n");
  EXPECT_THAT(file.poll(), ElementsAre(ElementsAre(Pair("loss", 2))));
  append("[a line of a log]\n  {\"loss\": 3}\n");
  EXPECT_THAT(file.finish(), ElementsAre(ElementsAre(Pair("loss", 3))));
  EXPECT_THAT(file.finish(), IsEmpty());
}

}  // namespace
}  // namespace jetcal::hpo
