// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/jet_corrector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/base/threads.h"

namespace jetcal::jec {
namespace {

using testing::HasSubstr;

const std::filesystem::path kShared = JETCAL_SOURCE_DIR "/../shared/data/cms";

constexpr const char* kL1 =
    "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-z*[0]*(x-[1])/y) Correction L1FastJet}\n"
    "-5 0 8 0 70 1 6500 0 10 0.5 2\n"
    "0 5 8 0 70 1 6500 0 10 0.4 2\n";
constexpr const char* kL2 =
    "# comment\n{1 JetEta 1 JetPt 1+[0]/x Correction L2Relative}\n-5 5 3 10 1000 2.0\n";

JetCorrector parse(const std::string& text, const std::string& name = "") {
  const CorrectionText one{"test.txt", text};
  return JetCorrector::parse({&one, 1}, name);
}

JetCorrector open(const std::filesystem::path& file) {
  return JetCorrector::open(std::span(&file, 1));
}

struct Jets {
  std::vector<double> pt, eta, area, rho;
  JetTable table() const {
    JetTable table;
    table.rows = static_cast<std::int64_t>(pt.size());
    table.columns = {{"JetPt", pt}, {"JetEta", eta}, {"JetA", area}, {"Rho", rho}};
    return table;
  }
};

std::vector<double> factors(const JetCorrector& corrector, const Jets& jets,
                            OutsideRows* outside = nullptr) {
  std::vector<double> out(jets.pt.size());
  const OutsideRows found = corrector.factors(jets.table(), out);
  if (outside != nullptr) *outside = found;
  return out;
}

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}
std::string parse_error(const std::string& text) {
  return error_of([&] { parse(text); });
}
std::string json_error(const std::string& text, const std::string& name = "") {
  return error_of([&] { JetCorrector::parse_json({"test.json", text}, name); });
}

TEST(JetCorrector, GivesEachLevelThePtOfTheLevelsBefore) {
  const std::vector<CorrectionText> texts{{"l1", kL1}, {"l2", kL2}};
  const JetCorrector corrector = JetCorrector::parse(texts);
  EXPECT_THAT(corrector.inputs(), testing::ElementsAre("JetA", "JetEta", "JetPt", "Rho"));
  ASSERT_EQ(corrector.num_levels(), 2U);
  EXPECT_EQ(corrector.level_name(0), "L1FastJet");
  const Jets jets{{100}, {1}, {0.5}, {22}};
  const double l1 = 1 - 0.5 * 0.4 * 20 / 100;
  EXPECT_DOUBLE_EQ(factors(corrector, jets)[0], l1 * (1 + 2 / (100 * l1)));
  std::vector<double> out(1);
  corrector.factors_up_to(1, jets.table(), out);
  EXPECT_DOUBLE_EQ(out[0], l1);
  corrector.factors_up_to(0, jets.table(), out);
  EXPECT_EQ(out[0], 1);
}

TEST(JetCorrector, ClampsVariablesAndKeepsHalfOpenBins) {
  const JetCorrector l2 = parse(kL2);
  const Jets jets{{5, 10, 5000}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}};
  EXPECT_THAT(factors(l2, jets), testing::ElementsAre(1.2, 1.2, 1.002));
  const JetCorrector l1 = parse(kL1);
  const Jets edge{{100, 100}, {0, -1e-9}, {1, 1}, {12, 12}};
  EXPECT_THAT(factors(l1, edge), testing::ElementsAre(0.96, 0.95));
}

TEST(JetCorrector, CountsRowsOutsideOfEveryBinAndGivesThemOne) {
  OutsideRows outside;
  const Jets jets{{100, 100, 100}, {1, 5, -7}, {1, 1, 1}, {1, 1, 1}};
  EXPECT_THAT(factors(parse(kL2), jets, &outside), testing::ElementsAre(1.02, 1, 1));
  EXPECT_EQ(outside.count, 2);
  EXPECT_EQ(outside.first_row, 1);
  EXPECT_EQ(outside.where, "test.txt");
}

TEST(JetCorrector, TreatsAGapBetweenBinsAsOutside) {
  const JetCorrector gap = parse(
      "{2 JetEta JetPt 1 JetPt [0] Correction L2Relative}\n"
      "1 2 10 20 3 0 1000 1.1\n1 2 30 40 3 0 1000 1.2\n-1 0 10 40 3 0 1000 1.3\n");
  OutsideRows outside;
  const Jets jets{{15, 25, 30, 15, 15}, {1.5, 1.5, 1.5, 0.5, -0.5}, {}, {}};
  JetTable table;
  table.rows = 5;
  table.columns = {{"JetPt", jets.pt}, {"JetEta", jets.eta}};
  std::vector<double> out(5);
  outside = gap.factors(table, out);
  EXPECT_THAT(out, testing::ElementsAre(1.1, 1, 1.2, 1, 1.3));
  EXPECT_EQ(outside.count, 2);
}

TEST(JetCorrector, InvertsResponses) {
  // R = 0.8 at every pT: the factor is 1 / 0.8. R = x / 100 up to 100: pT / R(x) = x is the end.
  const JetCorrector flat =
      parse("{1 JetEta 1 JetPt [0] Response L2Relative}\n-5 5 3 1 1000 0.8\n");
  EXPECT_DOUBLE_EQ(factors(flat, {{50}, {0}, {1}, {1}})[0], 1.25);
  const JetCorrector rising =
      parse("{1 JetEta 1 JetPt 1-[0]/x Response L2Relative}\n-5 5 3 1 1000 5\n");
  // x R(x) = x - 5 = 50, so x = 55.
  EXPECT_NEAR(factors(rising, {{50}, {0}, {1}, {1}})[0], 1.1, 2e-4);
}

TEST(JetCorrector, ReadsScaleFactorsAndUncertainties) {
  const std::string sf = "{1 JetEta 0 None ScaleFactor}\n-5 0 3 1.1 1.0 1.2\n0 5 3 1.3 1.2 1.4\n";
  const Jets jets{{50, 50}, {-1, 1}, {1, 1}, {1, 1}};
  EXPECT_THAT(factors(parse(sf), jets), testing::ElementsAre(1.1, 1.3));
  EXPECT_THAT(factors(parse(sf, "up"), jets), testing::ElementsAre(1.2, 1.4));
  EXPECT_THAT(factors(parse(sf, "down"), jets), testing::ElementsAre(1.0, 1.2));
  const std::string sources =
      "[A]\n{1 JetEta 1 JetPt \"\" Correction Uncertainty}\n-5 5 6 10 0.1 0.2 30 0.3 0.4\n"
      "[B]\n{1 JetEta 1 JetPt \"\" Correction Uncertainty}\n-5 5 6 10 1 1 30 2 2\n";
  const Jets points{{5, 10, 20, 30, 99, 20}, {0, 0, 0, 0, 0, 9}, {}, {}};
  JetTable table;
  table.rows = 6;
  table.columns = {{"JetPt", points.pt}, {"JetEta", points.eta}};
  std::vector<double> out(6);
  parse(sources, "A").factors(table, out);
  const std::vector<double> expected{0.1, 0.1, 0.2, 0.3, 0.3, -999};
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_DOUBLE_EQ(out[i], expected[i]) << i;
  parse(sources, "A:down").factors(table, out);
  EXPECT_DOUBLE_EQ(out[2], 0.3);
  EXPECT_THAT(error_of([&] { parse(sources, "C"); }), HasSubstr("sections are A, B"));
}

TEST(JetCorrector, GivesTheSameForEveryNumberOfRowsAndThreads) {
  const std::vector<CorrectionText> texts{{"l1", kL1}, {"l2", kL2}};
  const JetCorrector corrector = JetCorrector::parse(texts);
  Rng rng(3);
  Jets jets;
  for (int i = 0; i < 100000; ++i) {
    jets.pt.push_back(10 + 1000 * rng.uniform());
    jets.eta.push_back(-5.5 + 11 * rng.uniform());
    jets.area.push_back(rng.uniform());
    jets.rho.push_back(60 * rng.uniform());
  }
  const int threads = num_threads();
  set_num_threads(3);
  OutsideRows outside;
  const std::vector<double> all = factors(corrector, jets, &outside);
  set_num_threads(threads);
  std::int64_t expected_outside = 0, first = -1;
  for (std::size_t i = 0; i < all.size(); i += 997) {
    const Jets one{{jets.pt[i]}, {jets.eta[i]}, {jets.area[i]}, {jets.rho[i]}};
    EXPECT_EQ(factors(corrector, one)[0], all[i]) << i;
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (jets.eta[i] >= -5 && jets.eta[i] < 5) continue;
    ++expected_outside;  // once, though it is outside of both levels
    if (first < 0) first = static_cast<std::int64_t>(i);
  }
  EXPECT_EQ(outside.count, expected_outside);
  EXPECT_EQ(outside.first_row, first);
}

TEST(JetCorrector, NamesFileAndLineOfABadText) {
  EXPECT_THAT(parse_error("nothing\n"), HasSubstr("test.txt, line 1: a row before the header"));
  EXPECT_THAT(parse_error("# only this\n"), HasSubstr("test.txt: no header"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x Correction L2Relative}\n"), HasSubstr("no rows"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x*y Correction L2}\n0 1 2 0 1\n"),
              HasSubstr("test.txt, line 1: variable 'y' needs 2 variables"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt foo(x) Correction L2}\n0 1 2 0 1\n"),
              HasSubstr("unknown word 'foo'"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt [0] Correction L2}\n0 1 2 0 1\n"),
              HasSubstr("line 2: the row has 2 parameters, the formula needs 3"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x Correction L2}\n0 1 3 0 1\n"),
              HasSubstr("says 3 parameters and has 2"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x Correction L2}\n0 1 2 0 abc\n"),
              HasSubstr("line 2: 'abc' is not a number"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x Correction L2}\n0 1 2 0 nan\n"), HasSubstr("NaN"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x Correction L2}\n1 1 2 0 1\n"), HasSubstr("empty"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x Correction L2}\n0 2 2 0 1\n1 3 2 0 1\n"),
              HasSubstr("line 3: the bin of JetEta from 1 overlaps"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x Correction L2}\n0 2 2 0 1\n0 2 2 0 1\n"),
              HasSubstr("line 3: the same bins as in line 2"));
  EXPECT_THAT(parse_error("{1 JetEta 1 JetPt x Nonsense L2}\n0 2 2 0 1\n"),
              HasSubstr("names no type"));
  EXPECT_THAT(parse_error("{one JetEta 1 JetPt x Correction L2}\n"), HasSubstr("got 'one'"));
  EXPECT_THAT(
      parse_error("{1 JetEta 1 JetPt x Correction L2}\n{1 JetEta 1 JetPt x Correction L2}\n"),
      HasSubstr("a second header"));
}

TEST(JetCorrector, NamesColumnAndRowOfABadJet) {
  const JetCorrector l2 = parse(kL2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(error_of([&] {
                factors(l2, {{50, nan}, {0, 0}, {1, 1}, {1, 1}});
              }),
              HasSubstr("JetPt of row 1 (counted from 0) is not a number"));
  JetTable table;
  table.rows = 1;
  const std::vector<double> pt{50}, two{1, 2};
  table.columns["JetPt"] = pt;
  std::vector<double> out(1);
  EXPECT_THAT(error_of([&] { l2.factors(table, out); }), HasSubstr("a column JetEta"));
  table.columns["JetEta"] = two;
  EXPECT_THAT(error_of([&] { l2.factors(table, out); }), HasSubstr("has 2 rows"));
}

// A correctionlib JSON with one correction of the given inputs and content.
std::string set_of(const std::string& inputs, const std::string& data, int version = 2) {
  return R"({"schema_version": )" + std::to_string(version) +
         R"(, "corrections": [{"name": "c", "version": 1, "inputs": [)" + inputs +
         R"(], "output": {"name": "f", "type": "real"}, "data": )" + data + "}]}";
}
constexpr const char* kX = R"({"name": "x", "type": "real"})";
constexpr const char* kXN = R"({"name": "x", "type": "real"}, {"name": "n", "type": "int"})";
constexpr const char* kXS = R"({"name": "x", "type": "real"}, {"name": "s", "type": "string"})";

std::vector<double> evaluate(const std::string& json, const std::vector<double>& x,
                             const std::vector<double>& n = {},
                             const std::vector<std::string>& s = {}) {
  const JetCorrector corrector = JetCorrector::parse_json({"test.json", json});
  JetTable table;
  table.rows = static_cast<std::int64_t>(x.size());
  table.columns["x"] = x;
  if (!n.empty()) table.columns["n"] = n;
  if (!s.empty()) table.texts["s"] = s;
  std::vector<double> out(x.size());
  corrector.factors(table, out);
  return out;
}
std::string binning(const std::string& edges, const std::string& flow) {
  return R"({"nodetype": "binning", "input": "x", "edges": )" + edges +
         R"(, "content": [10, 20], "flow": )" + flow + "}";
}

TEST(JetCorrector, DoesWithValuesBeyondTheEdgesWhatTheJsonSays) {
  const std::vector<double> x{-0.5, 0, 0.5, 1, 1.5, 2, 2.25};
  for (const std::string edges : {"[0, 1, 2]", R"({"n": 2, "low": 0, "high": 2})"}) {
    EXPECT_THAT(evaluate(set_of(kX, binning(edges, R"("clamp")")), x),
                testing::ElementsAre(10, 10, 10, 20, 20, 20, 20));
    EXPECT_THAT(evaluate(set_of(kX, binning(edges, R"("wrap")")), x),
                testing::ElementsAre(20, 10, 10, 20, 20, 10, 10));
    EXPECT_THAT(evaluate(set_of(kX, binning(edges, "-1.5")), x),
                testing::ElementsAre(-1.5, 10, 10, 20, 20, -1.5, -1.5));
    EXPECT_THAT(error_of([&] { evaluate(set_of(kX, binning(edges, R"("error")")), x); }),
                HasSubstr("x -0.5 of row 0 is outside of the bins from 0 to 2"));
  }
  EXPECT_THAT(evaluate(set_of(kX, binning(R"(["-inf", 1, "inf"])", R"("error")")), x),
              testing::ElementsAre(10, 10, 10, 20, 20, 20, 20));
}

TEST(JetCorrector, FindsCategoriesByTextAndByInteger) {
  const std::string by_text =
      R"({"nodetype": "category", "input": "s", "content": [{"key": "up", "value": 2},
          {"key": "down", "value": 1}], "default": 7})";
  EXPECT_THAT(evaluate(set_of(kXS, by_text), {0, 0, 0}, {}, {"down", "up", "other"}),
              testing::ElementsAre(1, 2, 7));
  EXPECT_THAT(evaluate(set_of(kXS, by_text), {0, 0, 0}, {}, {"up"}), testing::ElementsAre(2, 2, 2));
  const std::string by_integer =
      R"({"nodetype": "category", "input": "n", "content": [{"key": 5, "value": 2},
          {"key": -1, "value": 1}]})";
  EXPECT_THAT(evaluate(set_of(kXN, by_integer), {0, 0}, {-1, 5}), testing::ElementsAre(1, 2));
  EXPECT_THAT(error_of([&] {
                evaluate(set_of(kXN, by_integer), {0, 0}, {5, 6});
              }),
              HasSubstr("n 6 of row 1 is none of its categories"));
  EXPECT_THAT(error_of([&] {
                evaluate(set_of(kXN, by_integer), {0, 0}, {5, 0.5});
              }),
              HasSubstr("n of row 1 is 0.5, the correction wants an integer"));
}

TEST(JetCorrector, RewritesInputsInTransforms) {
  const std::string doubled =
      R"({"nodetype": "transform", "input": "x", "rule": {"nodetype": "formula", "parser":
          "TFormula", "expression": "2*x", "variables": ["x"]}, "content": )" +
      binning("[0, 1, 2]", "99") + "}";
  EXPECT_THAT(evaluate(set_of(kX, doubled), {0.4, 0.6, 1.5}), testing::ElementsAre(10, 20, 99));
}

TEST(JetCorrector, TakesNaNAndInfinityForBeyondTheLastEdge) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string log = R"j({"nodetype": "formula", "parser": "TFormula",
      "expression": "log(x)", "variables": ["x"]})j";
  for (const std::string edges : {"[0, 1, 2]", R"({"n": 2, "low": 0, "high": 2})"}) {
    for (const std::string flow : {R"("clamp")", R"("wrap")"}) {
      const std::string bins = binning(edges, flow);
      EXPECT_THAT(evaluate(set_of(kX, bins), {kInfinity}), testing::ElementsAre(20));
      const std::string of_log = R"({"nodetype": "transform", "input": "x", "rule": )" + log +
                                 R"(, "content": )" + bins + "}";
      EXPECT_THAT(evaluate(set_of(kX, of_log), {-1}), testing::ElementsAre(20));
    }
  }
}

TEST(JetCorrector, CountsARowOnceThatIsOutsideOfSeveralLevels) {
  const std::vector<CorrectionText> texts{
      {"a.txt", "{1 JetEta 1 JetPt 1 Correction A}\n-5 5 2 0 7000\n"},
      {"b.txt", "{1 JetPt 1 JetPt 1 Correction B}\n50 5000 2 0 7000\n"}};
  const JetCorrector corrector = JetCorrector::parse(texts);
  OutsideRows outside;
  factors(corrector, {{10, 100, 10}, {0, 6, 6}, {1, 1, 1}, {1, 1, 1}}, &outside);
  EXPECT_EQ(outside.count, 3);
  EXPECT_EQ(outside.first_row, 0);
  EXPECT_EQ(outside.where, "b.txt");
}

TEST(JetCorrector, NamesFileAndFieldOfABadJson) {
  EXPECT_THAT(json_error(R"({"schema_version": 2, "corrections": [5]})", ""),
              HasSubstr("corrections[0]: expected an object, found number"));
  EXPECT_THAT(json_error(R"({"schema_version": 2, "corrections": [{"name": 3}]})", ""),
              HasSubstr("corrections[0].name: expected a text, found number"));
  EXPECT_THAT(json_error("{"), HasSubstr("test.json: no valid JSON at byte"));
  EXPECT_THAT(json_error("[8e8282]"), HasSubstr("test.json: a number is too large for a double"));
  EXPECT_THAT(json_error(set_of(kX, "1", 1)), HasSubstr("schema version 1"));
  EXPECT_THAT(json_error("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(json_error(R"({"schema_version": 2})"), HasSubstr("'corrections' is missing"));
  EXPECT_THAT(json_error(set_of(kX, "1"), "other"), HasSubstr("holds no correction 'other'"));
  EXPECT_THAT(json_error(set_of(kX, R"({"nodetype": "lwtnn"})")),
              HasSubstr("test.json, correction 'c', data: unknown node type 'lwtnn'"));
  EXPECT_THAT(json_error(set_of(kX, binning("[0, 1, 2, 3]", "1"))), HasSubstr("a bin is missing"));
  EXPECT_THAT(json_error(set_of(kX, binning("[0, 0, 2]", "1"))),
              HasSubstr("data.edges[1]: the edges do not ascend"));
  EXPECT_THAT(json_error(set_of(kX, R"({"nodetype": "formula", "parser": "TFormula",
              "expression": "[1]", "variables": ["x"], "parameters": [1]})")),
              HasSubstr("needs 2 parameters, there are 1"));
  EXPECT_THAT(json_error(set_of(kX, R"({"nodetype": "formula", "parser": "TFormula",
              "expression": "x", "variables": ["y"]})")),
              HasSubstr("'y' is none of the inputs"));
  std::string deep = "1";
  for (int i = 0; i < 300; ++i)
    deep = R"({"nodetype": "transform", "input": "x", "rule": 1, "content": )" + deep + "}";
  EXPECT_THAT(json_error(set_of(kX, deep)), HasSubstr("nested more than"));
}

TEST(JetCorrector, RefusesDamagedGzipAndMixedFormats) {
  const TemporaryFolder folder;
  const auto file = folder / "cut.txt.gz";
  std::ofstream(file, std::ios::binary) << std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00", 8);
  EXPECT_THAT(error_of([&] { open(file); }), HasSubstr("cut.txt.gz: the gzip"));
  const std::vector<std::filesystem::path> mixed{"a.txt", "b.json"};
  EXPECT_THAT(error_of([&] { JetCorrector::open(mixed); }), HasSubstr("stands alone"));
  const std::vector<std::filesystem::path> none{folder / "no.txt"};
  EXPECT_THAT(error_of([&] { JetCorrector::open(none); }), HasSubstr("no such file"));
}

TEST(JetCorrector, GivesTheResponsesOfTheRealRun2Files) {
  const auto l2_file = kShared / "Summer19UL18_V5_MC_L2Relative_AK4PFchs.txt";
  const auto l1_file = kShared / "Summer19UL18_V5_MC_L1FastJet_AK4PFchs.txt";
  if (!std::filesystem::exists(l2_file)) GTEST_SKIP() << "no real CMS files beside the repository";
  const JetCorrector l2 = open(l2_file);
  const std::vector<double> pt{30, 50, 100, 300, 1000}, ones(5, 1);
  const std::vector<double> barrel{.915, .933, .939, .936, .943};
  const std::vector<double> endcap{.847, .865, .881, .913, .954};
  const auto at_barrel = factors(l2, {pt, std::vector<double>(5, 0.1), ones, ones});
  const auto at_endcap = factors(l2, {pt, std::vector<double>(5, 2.0), ones, ones});
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(1 / at_barrel[i], barrel[i], 0.0006) << pt[i];
    EXPECT_NEAR(1 / at_endcap[i], endcap[i], 0.0006) << pt[i];
  }
  const JetCorrector l1 = open(l1_file);
  const std::vector<double> hard{30, 100, 1000}, expected{3.6, 3.3, 2.8};
  const std::vector<double> eta(3, 0.04), area(3, 0.503), rho(3, 20);
  const auto c = factors(l1, {hard, eta, area, rho});
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(hard[i] * (1 - c[i]), expected[i], 0.05);
}

}  // namespace
}  // namespace jetcal::jec
