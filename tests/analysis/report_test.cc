// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "jetcal/analysis/detail/svg_text.h"
#include "jetcal/analysis/figures.h"
#include "jetcal/analysis/tables.h"
#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::analysis {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Analysis random_analysis(int jets) {
  Rng rng(11);
  JetSample sample;
  sample.correctors = {{"Standard", {}}, {"Model <1>", {}}};
  for (int i = 0; i < jets; ++i) {
    const double pt = 20 * std::pow(140, rng.uniform());
    sample.pt_gen.push_back(static_cast<float>(pt));
    sample.eta_gen.push_back(static_cast<float>(5 * rng.uniform() - 2.5));
    sample.flavor.push_back(edm::kFlavors[rng.below(6)]);
    sample.pileup[0].push_back(static_cast<float>(10 + rng.below(30)));
    sample.pt_reco.push_back(static_cast<float>(pt * std::exp(0.1 * rng.normal())));
    sample.correctors[0].pt_corr.push_back(sample.pt_reco.back());
    sample.correctors[1].pt_corr.push_back(static_cast<float>(pt * std::exp(0.05 * rng.normal())));
  }
  AnalysisOptions options;
  options.resamplings = 20;
  return analyze(sample, options);
}

class Report : public testing::Test {
 protected:
  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_))
      names.push_back(entry.path().filename());
    return names;
  }
  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

TEST_F(Report, HoldsEveryFigureInThreeFormatsWithItsNumbers) {
  const Analysis analysis = random_analysis(8000);
  const auto report = write_report(analysis, {"label", {{"input", "here"}}}, folder_ / "out");
  EXPECT_THAT(left(), testing::ElementsAre("out"));
  ASSERT_EQ(report["figures"].size(), 2U * (11 + 2) + 2U);
  for (const auto& figure : report["figures"]) {
    const std::string stem = folder_ / "out" / figure["name"].get<std::string>();
    const std::string pdf = read_file(stem + ".pdf"), png = read_file(stem + ".png"),
                      svg = read_file(stem + ".svg");
    EXPECT_EQ(pdf.substr(0, 5), "%PDF-");
    EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
    EXPECT_THAT(svg.substr(0, 200), HasSubstr("<svg"));
    EXPECT_THAT(svg, HasSubstr("</svg>"));
    EXPECT_THAT(svg, testing::Not(HasSubstr(folder_.string())));
    EXPECT_GT(png.size(), 5000U);
    auto data = nlohmann::ordered_json::parse(read_file(stem + ".json"));
    EXPECT_EQ(data["panels"], figure["panels"]);
    const auto& panel = data["panels"][0];
    if (panel.contains("heat_map")) continue;
    EXPECT_FALSE(panel["series"][0]["y"].empty()) << stem;
  }
  EXPECT_EQ(nlohmann::ordered_json::parse(read_file(folder_ / "out" / "report.json")), report);
  const std::string page = read_file(folder_ / "out" / "index.html");
  EXPECT_THAT(page, HasSubstr("Model &lt;1&gt;"));
  EXPECT_THAT(page, testing::Not(HasSubstr("Model <1>")));
  std::size_t images = 0;
  for (std::size_t at = page.find("<img src=\"data:image/png;base64,iVBOR"); at != page.npos;
       at = page.find("<img src=\"data:image/png;base64,iVBOR", at + 1))
    ++images;
  EXPECT_EQ(images, report["figures"].size());
  EXPECT_THAT(page, testing::Not(HasSubstr("src=\"http")));
}

TEST_F(Report, DrawsTheNumbersOfTheAnalysis) {
  const Analysis analysis = random_analysis(8000);
  const Figure resolution = make_figures(analysis).front();
  ASSERT_EQ(resolution.name, "resolution_barrel");
  const std::vector<Point>& points = resolution.panels[0].series[1].points;
  std::size_t drawn = 0;
  for (const BinNumbers& bin : analysis.correctors[1].regions[0].bins) {
    if (bin.too_few_jets) continue;
    ASSERT_LT(drawn, points.size());
    EXPECT_EQ(points[drawn].y, bin.resolution.value);
    EXPECT_EQ(points[drawn].y_error, bin.resolution.error);
    EXPECT_GT(points[drawn].x, bin.low);
    EXPECT_LT(points[drawn].x, bin.high);
    ++drawn;
  }
  EXPECT_EQ(drawn, points.size());
  EXPECT_GT(drawn, 10U);
  ASSERT_EQ(resolution.panels[1].series.size(), 1U) << "the baseline has no ratio to itself";
}

TEST_F(Report, ReplacesAnEarlierOneAndKeepsOtherFiles) {
  write_file(folder_ / "out_notes", "");
  fs::create_directories(folder_ / "out");
  write_file(folder_ / "out" / "mine.txt", "mine");
  write_file(folder_ / "out" / "report.json", "old");
  const Analysis analysis = random_analysis(500);
  write_report(analysis, {"", {}}, folder_ / "out" / "");
  EXPECT_EQ(read_file(folder_ / "out" / "mine.txt"), "mine");
  EXPECT_THAT(read_file(folder_ / "out" / "report.json"), HasSubstr("definitions"));
  EXPECT_THAT(left(), testing::UnorderedElementsAre("out", "out_notes"));
}

TEST_F(Report, LeavesNothingBehindWhenTheOutputCannotBeWritten) {
  write_file(folder_ / "file", "");
  const Analysis analysis = random_analysis(500);
  EXPECT_THROW(write_report(analysis, {"", {}}, folder_ / "file"), Error);
  EXPECT_THROW(write_report(analysis, {"", {}}, folder_ / "file" / "below"), Error);
  EXPECT_THAT(left(), testing::ElementsAre("file"));
}

TEST_F(Report, SurvivesASampleWithHardlyAnyJets) {
  const auto report = write_report(random_analysis(3), {"", {}}, folder_ / "out");
  EXPECT_EQ(report["counts"]["used"], 3);
  int empty = 0;
  for (const auto& bin : report["correctors"][0]["regions"]["barrel"]["bins"]) {
    if (bin["jets"] != 0) continue;
    ++empty;
    EXPECT_TRUE(bin["median"]["value"].is_null());
    EXPECT_TRUE(bin["median"]["error"].is_null());
    EXPECT_THAT(bin["flags"].dump(), HasSubstr("too_few_jets"));
  }
  EXPECT_GE(empty, 16);
}

TEST(Tables, MarkNumbersOfTooFewJetsAndMissingOnes) {
  const Analysis analysis = random_analysis(150);
  EXPECT_THAT(to_text(counts_table(analysis)), HasSubstr("150"));
  EXPECT_THAT(to_text(loss_table(analysis)), HasSubstr("Model <1>"));
  EXPECT_THAT(to_text(flavor_table(analysis, 0)), HasSubstr("*"));
  EXPECT_THAT(to_text(gain_table(analysis)), HasSubstr("* fewer than 30 jets"));
  EXPECT_THAT(to_text(gain_table(analysis)), HasSubstr("alpha Model <1>"));
  EXPECT_THAT(to_text(gain_table(random_analysis(3))), HasSubstr("  -"));
  EXPECT_EQ(gain_tables(analysis).size(), 2U);
  EXPECT_EQ(range_table(analysis).rows.size(), kPtRanges.size() * kRegions.size() * 2);
  EXPECT_EQ(bin_table(analysis, 1).rows.size(), static_cast<std::size_t>(kNumPtBins));
}

TEST(Tables, ListASlopeForEveryPileupVariableOfTheSample) {
  const std::vector<Table> tables = pileup_tables(random_analysis(2000));
  ASSERT_EQ(tables.size(), 1U);
  EXPECT_THAT(tables[0].title, HasSubstr("num_vertices"));
  EXPECT_THAT(to_text(tables[0]), HasSubstr("+-"));
}

TEST(ToHtml, EscapesTextGroupsHeadsAndLeavesRepeatedLabelsBlank) {
  const Table table{"T <1>",
                    {{"range", ""}, {"region", ""}, {"A", "alpha"}, {"B", "alpha"}},
                    2,
                    {{"> 30", "barrel", "1 +- 2", "-"}, {"> 30", "endcap", "3*", "4"}},
                    {"* few"}};
  const std::string html = to_html(table);
  EXPECT_THAT(html, HasSubstr("T &lt;1&gt;"));
  EXPECT_THAT(html, HasSubstr("<th colspan=\"2\">alpha</th>"));
  EXPECT_THAT(html, HasSubstr("1 &plusmn; 2"));
  EXPECT_THAT(html, HasSubstr("<tr><th></th><th>endcap</th>"));
  EXPECT_THAT(html, HasSubstr("* few"));
}

TEST(FitYAxis, LeavesBiasedPointsOutWhereOthersExist) {
  Panel panel;
  panel.x_low = 20;
  panel.biased_below = 50;
  panel.series = {
      {"a", 0, {{30, 20, 40, 1.6, 0.1}, {100, 90, 110, 1.0, 0.01}, {200, 190, 210, 1.1, 0.01}}}};
  fit_y_axis(panel, 0.2, {1.05});
  EXPECT_LT(panel.y_low, 0.99);
  EXPECT_GT(panel.y_high, 1.11);
  EXPECT_LT(panel.y_high, 1.2);
  panel.series[0].points.resize(1);
  fit_y_axis(panel, 0.2, {1.05});
  EXPECT_GT(panel.y_high, 1.7);
}

TEST(TidySvg, HidesThePathAndScalesLines) {
  const std::string svg =
      "<svg shape-rendering=\"crispEdges\"><title>\n/home/me/a.svg\n</title>"
      "<path stroke-width=\"3\"/><text font-family=\"Helvetica\">a</text></svg>";
  EXPECT_EQ(detail::tidy_svg(svg, "a < b"),
            "<svg><title>a &lt; b</title><path stroke-width=\"1.5\"/>"
            "<text font-family=\"Helvetica, Arial, sans-serif\">a</text></svg>");
}

}  // namespace
}  // namespace jetcal::analysis
