// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/hpo/encoding.h"

namespace jetcal::hpo {
namespace {

using testing::HasSubstr;

constexpr const char* kMixed = R"(
space:
  parameters:
    lr: {type: float, low: 1e-5, high: 1e-2, log: true}
    layers: {type: integer, low: 1, high: 5}
    units: {type: discrete, choices: [400, 50, 100, 200]}
    width: {type: integer, low: 8, high: 512, log: true}
    drop: {type: float, low: 0, high: 0.5, step: 0.1}
    even: {type: integer, low: 2, high: 11, step: 2}
    optimizer: {type: categorical, choices: [adam, sgd, "1"]}
    momentum: {type: float, low: 0, high: 0.9, when: {optimizer: [sgd]}}
    nesterov: {type: categorical, choices: [true, false], when: {optimizer: sgd}}
)";

SearchSpace mixed() {
  return SearchSpace::from_config(Config::parse(kMixed, "space.yaml"), "space");
}

std::string error_of(const std::string& parameters) {
  try {
    SearchSpace::from_config(Config::parse("parameters:\n" + parameters, "s.yaml"), "");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(SearchSpace, ReadsEveryKindAndSortsNumbers) {
  const SearchSpace space = mixed();
  ASSERT_EQ(space.parameters().size(), 9U);
  EXPECT_EQ(space.parameters()[0].name, "lr");
  EXPECT_TRUE(space.parameters()[0].log);
  EXPECT_EQ(space.find("units")->choices,
            (std::vector<Value>{std::int64_t{50}, std::int64_t{100}, std::int64_t{200},
                                std::int64_t{400}}));
  EXPECT_EQ(space.find("optimizer")->choices[2], Value(std::string("1")));
  EXPECT_EQ(space.find("momentum")->condition->parent, "optimizer");
  EXPECT_EQ(space.find("absent"), nullptr);
}

TEST(SearchSpace, WritesWhatItReads) {
  const SearchSpace space = mixed();
  const std::string text = space.dump();
  const SearchSpace again = SearchSpace::from_config(Config::parse(text, "again"), "");
  EXPECT_EQ(again.dump(), text);
  EXPECT_EQ(again.find("optimizer")->choices, space.find("optimizer")->choices);
  EXPECT_EQ(again.find("lr")->low, 1e-5);
}

TEST(SearchSpace, NamesFileLineAndParameterOfEveryMistake) {
  EXPECT_THAT(error_of("  a: {type: float, low: 1}\n"), HasSubstr("s.yaml:2: the parameter 'a'"));
  EXPECT_THAT(error_of("  a: {type: floot}\n"), HasSubstr("unknown type 'floot'"));
  EXPECT_THAT(error_of("  a: {type: float, low: 0, high: 1, log: true}\n"),
              HasSubstr("low must be above 0"));
  EXPECT_THAT(error_of("  a: {type: float, low: 2, high: 1}\n"), HasSubstr("low 2 above high 1"));
  EXPECT_THAT(error_of("  a: {type: float, low: 0, high: one}\n"), HasSubstr("no number"));
  EXPECT_THAT(error_of("  a: {type: float, low: 0, hihg: 1}\n"), HasSubstr("unknown field 'hihg'"));
  EXPECT_THAT(error_of("  a: {type: float, low: 0, high: 1, step: 0}\n"),
              HasSubstr("step above 0"));
  EXPECT_THAT(error_of("  a: {type: float, low: 0.1, high: 1, step: 0.1, log: true}\n"),
              HasSubstr("step and a logarithmic"));
  EXPECT_THAT(error_of("  a: {type: integer, low: 0.5, high: 2}\n"), HasSubstr("whole numbers"));
  EXPECT_THAT(error_of("  a: {type: categorical, choices: []}\n"), HasSubstr("no choices"));
  EXPECT_THAT(error_of("  a: {type: categorical, choices: [x, x]}\n"), HasSubstr("'x' twice"));
  EXPECT_THAT(error_of("  a: {type: discrete, choices: [1, x]}\n"), HasSubstr("list of numbers"));
  EXPECT_THAT(error_of("  a: {type: categorical, choices: [x], low: 1}\n"), HasSubstr("'low'"));
  EXPECT_THAT(error_of("  a: {type: categorical, choices: [x, y], when: {b: [1]}}\n"),
              HasSubstr("depends on 'b'"));
  EXPECT_THAT(error_of("  a: {type: categorical, choices: [x, y], when: {b: [1]}}\n"
                       "  b: {type: integer, low: 0, high: 1}\n"),
              HasSubstr("must come before"));
  EXPECT_THAT(error_of("  b: {type: categorical, choices: [x, y]}\n"
                       "  a: {type: integer, low: 0, high: 1, when: {b: [z]}}\n"),
              HasSubstr("'z', which it cannot be"));
}

TEST(SearchSpace, HoldsThePapersSpaces) {
  const SearchSpace pfn = SearchSpace::preset("paper-pfn");
  const SearchSpace particlenet = SearchSpace::preset("paper-particlenet");
  EXPECT_EQ(pfn.parameters().size(), 7U);
  EXPECT_EQ(particlenet.parameters().size(), 9U);
  EXPECT_EQ(pfn.find("dropout")->low, 0);
  EXPECT_EQ(pfn.find("dropout")->high, 0.5);
  EXPECT_TRUE(pfn.find("lr")->log);
  EXPECT_EQ(particlenet.find("edge_blocks")->high, 3);
  EXPECT_EQ(particlenet.find("optimizer")->choices.size(), 5U);
  EXPECT_THROW(SearchSpace::preset("paper"), Error);
}

TEST(SearchSpace, ChecksAssignments) {
  const SearchSpace space = mixed();
  Assignment values{{"lr", 1e-3},
                    {"layers", std::int64_t{5}},
                    {"units", std::int64_t{100}},
                    {"width", std::int64_t{8}},
                    {"drop", 0.30000000000000004},
                    {"even", std::int64_t{10}},
                    {"optimizer", std::string("adam")}};
  EXPECT_NO_THROW(space.check(values));
  const auto with = [values](const std::string& name, const Value& value) {
    Assignment changed = values;
    changed[name] = value;
    return changed;
  };
  EXPECT_THROW(space.check(with("lr", 1.0)), Error);
  EXPECT_THROW(space.check(with("layers", 2.5)), Error);
  EXPECT_THROW(space.check(with("even", std::int64_t{3})), Error);
  EXPECT_THROW(space.check(with("drop", 0.25)), Error);
  EXPECT_THROW(space.check(with("units", std::int64_t{75})), Error);
  EXPECT_THROW(space.check(with("momentum", 0.5)), Error);
  EXPECT_THROW(space.check(with("unknown", 0.5)), Error);
  Assignment sgd = with("optimizer", std::string("sgd"));
  EXPECT_THROW(space.check(sgd), Error);
  sgd["momentum"] = 0.5;
  sgd["nesterov"] = std::string("true");
  EXPECT_NO_THROW(space.check(sgd));
}

TEST(SearchSpace, ReadsTheTextOfValues) {
  const SearchSpace space = mixed();
  EXPECT_EQ(parse_value(*space.find("layers"), "4.0"), Value(std::int64_t{4}));
  EXPECT_EQ(parse_value(*space.find("units"), "50.0"), Value(std::int64_t{50}));
  EXPECT_EQ(parse_value(*space.find("lr"), "5.52255e-4"), Value(5.52255e-4));
  EXPECT_EQ(parse_value(*space.find("optimizer"), "1"), Value(std::string("1")));
  EXPECT_THROW(parse_value(*space.find("layers"), "4.5"), Error);
  EXPECT_THROW(parse_value(*space.find("lr"), "nan"), Error);
  EXPECT_EQ(to_string(Value(0.1)), "0.1");
}

TEST(Encoding, EveryPointIsAValidAssignmentAndGoesBackToItself) {
  const SearchSpace space = mixed();
  const Encoding encoding(space);
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    const Point point = encoding.random(rng);
    const Assignment values = encoding.decode(point);
    ASSERT_NO_THROW(space.check(values));
    const Point again = encoding.encode(values);
    for (std::size_t axis = 0; axis < point.size(); ++axis) {
      ASSERT_EQ(std::isnan(point[axis]), std::isnan(again[axis]));
      if (std::isnan(point[axis])) continue;
      ASSERT_NEAR(point[axis], again[axis], 1e-12);
    }
  }
}

TEST(Encoding, CellsOfLogarithmicIntegersTileTheUnitInterval) {
  const Encoding encoding(mixed());
  const std::size_t width = 3;
  ASSERT_EQ(encoding.num_cells(width), 505);
  EXPECT_EQ(encoding.edge(width, 0), 0);
  EXPECT_EQ(encoding.edge(width, 505), 1);
  for (std::int64_t cell = 0; cell < 505; ++cell) {
    ASSERT_LT(encoding.edge(width, cell), encoding.center(width, cell));
    ASSERT_LT(encoding.center(width, cell), encoding.edge(width, cell + 1));
    ASSERT_EQ(encoding.cell_of(width, encoding.center(width, cell)), cell);
  }
}

TEST(Encoding, TakesValuesFromElsewhereToTheNearestCell) {
  const Encoding encoding(mixed());
  const Point point = encoding.encode({{"lr", 1.0},
                                       {"units", std::int64_t{170}},
                                       {"layers", 2.0},
                                       {"optimizer", std::string("x")}});
  EXPECT_EQ(point[0], 1);
  EXPECT_EQ(encoding.cell_of(2, point[2]), 2);
  EXPECT_EQ(encoding.cell_of(1, point[1]), 1);
  EXPECT_EQ(encoding.cell_of(6, point[6]), 1);
}

TEST(PointTable, KnowsWhatWasTriedAndForgetsAnotherHistory) {
  const Encoding encoding(mixed());
  PointTable table(encoding);
  Rng rng(2);
  std::vector<Trial> trials(3);
  std::vector<Point> points;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    points.push_back(encoding.random(rng));
    trials[i].number = static_cast<std::int64_t>(i);
    trials[i].values = encoding.decode(points.back());
  }
  table.update(trials);
  for (const Point& point : points) EXPECT_TRUE(table.contains(point));
  EXPECT_FALSE(table.contains(encoding.random(rng)));
  trials.erase(trials.begin());
  table.update(trials);
  EXPECT_FALSE(table.contains(points[0]));
  EXPECT_TRUE(table.contains(points[1]));
}

}  // namespace
}  // namespace jetcal::hpo
