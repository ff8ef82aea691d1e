// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/graph.h"

#include <gmock/gmock.h>

namespace jetcal::pipeline {
namespace {

bool holds_true(const std::string& text) {
  const Json values = {{"loss", 0.08}, {"deploy", true}, {"name", "pfn"}, {"n", 3}};
  return evaluate(parse_expression(text, "p.yaml", {1, 1}),
                  [&values](const Fragment& part) { return values.at(part.text); });
}

TEST(Expression, ComparesAndJoins) {
  EXPECT_TRUE(holds_true("${parameters.loss} < 0.1"));
  EXPECT_FALSE(holds_true("${parameters.loss} >= 0.1"));
  EXPECT_TRUE(holds_true("${parameters.deploy}"));
  EXPECT_TRUE(holds_true("${parameters.name} == 'pfn' and ${parameters.n} != 4"));
  EXPECT_TRUE(holds_true("false or not ${parameters.n} > 3"));
  EXPECT_FALSE(holds_true("not (${parameters.deploy} and ${parameters.n} == 3.0)"));
  EXPECT_TRUE(holds_true("${parameters.n}==3||false"));
}

TEST(Expression, RefusesWhatCannotBeCompared) {
  EXPECT_THROW(holds_true("${parameters.name} < 3"), Error);
  EXPECT_THROW(holds_true("${parameters.n}"), Error);
}

TEST(Expression, RefusesWhatItCannotRead) {
  for (const char* text :
       {"", "1 <", "(1 == 1", "${parameters.x", "1 = 1", "a == b", "1 == 1 2", "'a", "not"})
    EXPECT_THROW(parse_expression(text, "p.yaml", {1, 1}), Error) << text;
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += "(";
  EXPECT_THROW(parse_expression(deep, "p.yaml", {1, 1}), Error);
}

TEST(Types, AcceptWhatFits) {
  EXPECT_TRUE(accepts(Type::Artifact, Type::Model));
  EXPECT_FALSE(accepts(Type::Model, Type::Artifact));
  EXPECT_TRUE(accepts(Type::Number, Type::Integer));
  EXPECT_FALSE(accepts(Type::Integer, Type::Number));
  EXPECT_FALSE(accepts(Type::Artifact, Type::String));
  EXPECT_TRUE(holds(Type::Number, Json(3)));
  EXPECT_FALSE(holds(Type::Integer, Json(3.5)));
}

}  // namespace
}  // namespace jetcal::pipeline
