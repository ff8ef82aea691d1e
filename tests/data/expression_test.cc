// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "jetcal/base/error.h"

namespace jetcal::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

double value(const std::string& text, const std::map<std::string, double>& numbers = {}) {
  Expression expression(text, "field");
  std::vector<std::span<const double>> columns;
  for (const std::string& name : expression.names()) columns.emplace_back(&numbers.at(name), 1);
  double result = 0;
  expression.evaluate(columns, std::span(&result, 1));
  return result;
}

std::string error_of(const std::string& text) {
  try {
    Expression(text, "data.selection");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(Expression, KnowsTheFunctionsOfPhysicists) {
  const std::map<std::string, double> jet{{"pt", 40}, {"eta", -1.5}, {"n", 6}};
  EXPECT_DOUBLE_EQ(value("abs(eta)", jet), 1.5);
  EXPECT_DOUBLE_EQ(value("log(pt)", jet), std::log(40.0));
  EXPECT_DOUBLE_EQ(value("ln(pt) + log10(100) + log2(8)", jet), std::log(40.0) + 5);
  EXPECT_DOUBLE_EQ(value("exp(eta) * sqrt(pt)", jet), std::exp(-1.5) * std::sqrt(40.0));
  EXPECT_DOUBLE_EQ(value("min(pt, 30, 35) + max(pt, 30)", jet), 70);
  EXPECT_DOUBLE_EQ(value("clip(pt, 0, 25) + clip(eta, -1, 1)", jet), 24);
  EXPECT_DOUBLE_EQ(value("pow(pt, 2) - pt^2 + hypot(3, 4)", jet), 5);
  EXPECT_DOUBLE_EQ(value("-2^2"), -4);
  EXPECT_DOUBLE_EQ(value("2^3^2"), 512);
  EXPECT_NEAR(value("delta_phi(3, -3)"), 6 - 2 * M_PI, 1e-12);
  EXPECT_DOUBLE_EQ(value("fmod(pt, 7) + floor(2.7) + ceil(2.1) + round(2.5) + trunc(-2.5)", jet),
                   5 + 2 + 3 + 3 - 2);
  EXPECT_DOUBLE_EQ(value("atan2(1, 1) * 4 - pi"), 0);
  EXPECT_DOUBLE_EQ(value("sign(eta) + sign(pt) + sign(0)", jet), 0);
  EXPECT_DOUBLE_EQ(value("1e-3 + .5"), 0.501);
}

TEST(Expression, ComparesAndDecides) {
  const std::map<std::string, double> jet{{"pt", 40}, {"eta", -1.5}, {"id", 6}};
  EXPECT_EQ(value("pt > 30 && abs(eta) < 2.5", jet), 1);
  EXPECT_EQ(value("pt > 30 && abs(eta) < 1.5", jet), 0);
  EXPECT_EQ(value("pt < 30 || eta < 0", jet), 1);
  EXPECT_EQ(value("!(pt < 30) && true", jet), 1);
  EXPECT_EQ(value("pt != 40 || pt == 40 && !false", jet), 1);
  EXPECT_EQ(value("pt > 30 ? eta > 0 ? 1 : 2 : 3", jet), 2);
  EXPECT_EQ(value("(pt > 30) & (abs(eta) < 2.5)", jet), 1);
  EXPECT_EQ(value("(pt > 50) | (eta < -2)", jet), 0);
  EXPECT_EQ(value("id & 2", jet), 2);
  EXPECT_EQ(value("(id & 2) == 2 && (id | 1) == 7", jet), 1);
  EXPECT_EQ(value("(pt > 30) * 2 + (pt > 50)", jet), 2);
}

TEST(Expression, NamesItsVariablesOnce) {
  EXPECT_THAT(Expression("b + a * b + Jet_pt2", "f").names(), ElementsAre("b", "a", "Jet_pt2"));
  EXPECT_TRUE(Expression("1 + 1", "f").names().empty());
}

TEST(Expression, GivesNaNWhereANumberIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(value("x > 3", {{"x", nan}})));
  EXPECT_TRUE(std::isnan(value("!(x > 3)", {{"x", nan}})));
  EXPECT_TRUE(std::isnan(value("true || x > 3", {{"x", INFINITY}})));
  EXPECT_TRUE(std::isnan(value("min(1, log(x - 2))", {{"x", 1}})));
  EXPECT_TRUE(std::isnan(value("max(log(x - 2), 1)", {{"x", 1}})));
  EXPECT_TRUE(std::isnan(value("clip(sqrt(x), 0, 1)", {{"x", -1}})));
  EXPECT_TRUE(std::isnan(value("sqrt(x) >= 0", {{"x", -1}})));
  EXPECT_TRUE(std::isnan(value("1 / x > 3", {{"x", 0}})));
  EXPECT_EQ(value("x > 0 ? 1 / x > 3 : 0", {{"x", 0}}), 0);
  EXPECT_TRUE(std::isnan(value("x & 1", {{"x", 0.5}})));
  EXPECT_FALSE(std::isfinite(value("1 / x", {{"x", 0}})));
}

TEST(Expression, WorksOnWholeColumns) {
  Expression expression("a * a + b", "f");
  const std::vector<double> a{1, 2, 3}, b{10, 20, INFINITY};
  const std::vector<std::span<const double>> columns{a, b};
  std::vector<double> out(3);
  expression.evaluate(columns, out);
  EXPECT_EQ(out[0], 11);
  EXPECT_EQ(out[1], 24);
  EXPECT_TRUE(std::isnan(out[2]));
  Expression moved = std::move(expression);
  moved.evaluate(columns, out);
  EXPECT_EQ(out[1], 24);
}

TEST(Expression, RefusesWhatNobodyMeans) {
  EXPECT_THAT(error_of("pt = 30"), HasSubstr("data.selection: a single = would assign"));
  EXPECT_THAT(error_of("20 < pt < 30"), HasSubstr("cannot be chained"));
  EXPECT_THAT(error_of("a == b == c"), HasSubstr("cannot be chained"));
  EXPECT_THAT(error_of("pt > 20 & eta < 2"), HasSubstr("in parentheses"));
  EXPECT_THAT(error_of("id & 2 == 2"), HasSubstr("in parentheses"));
  EXPECT_THAT(error_of("~(a > b)"), HasSubstr("write ! for not"));
  EXPECT_THAT(error_of("pt**2"), HasSubstr("write ^ for powers"));
  EXPECT_THAT(error_of("name == 'x'"), HasSubstr("texts have no place"));
  EXPECT_THAT(error_of("a, b"), HasSubstr("list of expressions"));
  EXPECT_EQ(error_of("a < b && b < c || c <= d ? e < f : g != h"), "no error");
  EXPECT_EQ(error_of("min(a < b, c < d)"), "no error");
  EXPECT_EQ(error_of("(a < b) == (c < d)"), "no error");
}

TEST(Expression, SaysWhereTheMistakeIs) {
  EXPECT_THAT(error_of(""), HasSubstr("is empty"));
  EXPECT_THAT(error_of("  "), HasSubstr("is empty"));
  EXPECT_THAT(error_of("(pt > 20"), HasSubstr("not closed"));
  EXPECT_THAT(error_of("pt > 20)"), HasSubstr("not opened, at character 8"));
  EXPECT_THAT(error_of("abz(eta) < 2"), HasSubstr("unknown function 'abz'"));
  EXPECT_THAT(error_of("pt > "), HasSubstr("cannot understand 'pt > '"));
  EXPECT_THAT(error_of("pt pt"), HasSubstr("cannot understand"));
  EXPECT_THAT(error_of("abs(1, 2)"), HasSubstr("cannot understand"));
  EXPECT_THAT(error_of("pt @ 2"), HasSubstr("cannot understand"));
}

}  // namespace
}  // namespace jetcal::data
