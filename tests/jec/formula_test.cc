// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/formula.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal::jec {
namespace {

FormulaBinding binding(Dialect dialect = Dialect::Root) {
  return {"file.txt, line 1", dialect, {0, 1, 2, 3}, 0, false};
}

// Evaluates for one row with x y z t = 2 3 5 0.5 and parameters 10 11 12.
double value(const std::string& expression, Dialect dialect = Dialect::Root) {
  const Formula formula = Formula::parse(expression, binding(dialect));
  const double x = 2, y = 3, z = 5, t = 0.5;
  const std::array<const double*, 4> columns{&x, &y, &z, &t};
  const std::array<double, 3> params{10, 11, 12};
  const std::uint32_t offset = 0;
  std::vector<double> scratch(formula.scratch_size());
  double out = 0;
  formula.evaluate(1, columns.data(), params.data(), &offset, scratch.data(), &out);
  return out;
}

std::string error_of(const std::string& expression) {
  try {
    Formula::parse(expression, binding());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(Formula, FollowsThePrecedenceOfRoot) {
  EXPECT_EQ(value("1+2*3"), 7);
  EXPECT_EQ(value("8-3-2"), 3);
  EXPECT_EQ(value("8/4/2"), 1);
  EXPECT_EQ(value("2*x^2"), 8);
  EXPECT_EQ(value("2^3^2"), 512);
  EXPECT_EQ(value("2^-1"), 0.5);
  EXPECT_EQ(value("-x^2"), -4);
  EXPECT_EQ(value("-2^2"), -4);
  EXPECT_EQ(value("--x"), 2);
  EXPECT_EQ(value("3*-x"), -6);
  EXPECT_EQ(value("x<y+1"), 1);
  EXPECT_EQ(value("1<2==1"), 1);
  EXPECT_EQ(value("x<1||y<4&&z<1"), 0);
  EXPECT_EQ(value("!(x<1)"), 1);
  EXPECT_EQ(value("(x<10)*([1])+(x>=10)*[2]"), 11);
  EXPECT_EQ(value("x>1?y:z"), 3);
}

TEST(Formula, BindsTheSignTighterThanThePowerInCorrectionlib) {
  EXPECT_EQ(value("-x^2", Dialect::Correctionlib), 4);
  EXPECT_EQ(value("1-x^2", Dialect::Correctionlib), -3);
  EXPECT_EQ(value("2^-1", Dialect::Correctionlib), 0.5);
}

TEST(Formula, KnowsTheFunctionsOfCorrectionFiles) {
  EXPECT_DOUBLE_EQ(value("log(x)"), std::log(2.0));  // TFormula: the natural logarithm
  EXPECT_DOUBLE_EQ(value("TMath::Log(x)+TMath::Log10(x)"), std::log(2.0) + std::log10(2.0));
  EXPECT_DOUBLE_EQ(value("exp(t)*sqrt(z)"), std::exp(0.5) * std::sqrt(5.0));
  EXPECT_DOUBLE_EQ(value("pow(x,t)+TMath::Power(x,2)"), std::sqrt(2.0) + 4);
  EXPECT_DOUBLE_EQ(value("max(x,y)-TMath::Min(x,y)"), 1);
  EXPECT_DOUBLE_EQ(value("abs(-x)+fabs(x-y)+TMath::Abs(x)"), 5);
  EXPECT_DOUBLE_EQ(value("sin(x)+cos(x)+tan(x)"), std::sin(2.0) + std::cos(2.0) + std::tan(2.0));
  EXPECT_DOUBLE_EQ(value("asin(t)+acos(t)+atan(t)+atan2(x,y)"),
                   std::asin(.5) + std::acos(.5) + std::atan(.5) + std::atan2(2.0, 3.0));
  EXPECT_DOUBLE_EQ(value("sinh(t)+cosh(t)+tanh(t)"), std::sinh(.5) + std::cosh(.5) + std::tanh(.5));
  EXPECT_DOUBLE_EQ(value("asinh(t)+acosh(x)+atanh(t)"),
                   std::asinh(.5) + std::acosh(2.0) + std::atanh(.5));
  EXPECT_DOUBLE_EQ(value("TMath::Erf(t)"), std::erf(0.5));
  EXPECT_DOUBLE_EQ(value("TMath::Pi()+pi"), 2 * std::numbers::pi);
  EXPECT_DOUBLE_EQ(value("1.e-3+2.E+1+.5+3."), 23.501);
  EXPECT_DOUBLE_EQ(value("x[1]*[2]"), 36);
}

TEST(Formula, MatchesPublishedValuesOfTheLandauDensity) {
  // Koelbig and Schorr, Comput. Phys. Commun. 31 (1984) 97: phi(0) and the maximum.
  EXPECT_NEAR(value("TMath::Landau(0)"), 0.17885, 1e-5);
  EXPECT_NEAR(value("TMath::Landau(-0.22278)"), 0.18065, 1e-5);
  EXPECT_NEAR(value("TMath::Landau(x,x+0.22278*3,3)"), 0.18065, 1e-5);
  // Both branches agree where they meet, and the tail falls as 1 / x^2.
  EXPECT_NEAR(value("TMath::Landau(-3.4999)/TMath::Landau(-3.5001)"), 1.0023, 5e-4);
  EXPECT_NEAR(value("TMath::Landau(500)*500*500"), 1, 0.05);
}

TEST(Formula, FoldsConstantsAndSharesEqualParts) {
  const Formula folded = Formula::parse("2*3+sqrt(16)", binding());
  EXPECT_EQ(folded.scratch_size(), static_cast<std::size_t>(Formula::kBlock));
  EXPECT_EQ(folded.num_params(), 0);
  EXPECT_EQ(value("pow(log10(x),2)+log10(x)*log10(x)-2*log10(x)^2"), 0);
}

TEST(Formula, EvaluatesManyRowsEachWithItsParameters) {
  FormulaBinding clamped = binding();
  clamped.variables = {0};
  clamped.first_param = 2;
  clamped.clamp = true;
  const Formula formula = Formula::parse("[0]*x+[1]", clamped);
  EXPECT_EQ(formula.num_params(), 4);
  const std::vector<double> params{1, 10, 2, 0, /**/ 3, 5, -1, 100};  // low high [0] [1]
  std::vector<double> x(Formula::kBlock), out(Formula::kBlock), scratch(formula.scratch_size());
  std::vector<std::uint32_t> offsets(Formula::kBlock);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<double>(i) - 3;
    offsets[i] = i % 2 == 0 ? 0 : 4;
  }
  const std::array<const double*, 1> columns{x.data()};
  formula.evaluate(Formula::kBlock, columns.data(), params.data(), offsets.data(), scratch.data(),
                   out.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double* row = &params[offsets[i]];
    EXPECT_EQ(out[i], row[2] * std::clamp(x[i], row[0], row[1]) + row[3]) << i;
  }
}

TEST(Formula, NamesFilePositionAndWordOfAMistake) {
  EXPECT_EQ(error_of("x+gamma(y)"),
            "file.txt, line 1: unknown word 'gamma' at position 3 of the formula 'x+gamma(y)'");
  EXPECT_THAT(error_of("x+"), testing::HasSubstr("ends too early"));
  EXPECT_THAT(error_of("(x"), testing::HasSubstr("')' is missing"));
  EXPECT_THAT(error_of("x y"), testing::HasSubstr("unexpected 'y' at position 3"));
  EXPECT_THAT(error_of("x+$"), testing::HasSubstr("unexpected '$' at position 3"));
  EXPECT_THAT(error_of("[a]"), testing::HasSubstr("number of a parameter"));
  EXPECT_THAT(error_of("pow(x)"), testing::HasSubstr("takes 2 arguments, not 1"));
  EXPECT_THAT(error_of("exp(x,y)"), testing::HasSubstr("takes 1 arguments, not 2"));
  EXPECT_THAT(error_of(""), testing::HasSubstr("ends too early"));
  EXPECT_THAT(error_of(std::string(100000, '(')), testing::HasSubstr("nested too deeply"));
  EXPECT_THAT(error_of(std::string(100000, '-') + "x"), testing::HasSubstr("nested too deeply"));
}

TEST(Formula, RefusesAVariableThatTheFileDoesNotGive) {
  FormulaBinding one = binding();
  one.variables = {0};
  EXPECT_NO_THROW(Formula::parse("x", one));
  EXPECT_THROW(Formula::parse("x+y", one), Error);
}

}  // namespace
}  // namespace jetcal::jec
