// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/jet_evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "jetcal/base/error.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

JetEvaluator make(const DataRules& rules) {
  return {rules, [](const std::string& name) { return name == "order" || name == "id"; }, "a file"};
}

std::string error_of(const DataRules& rules) {
  try {
    make(rules);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(JetEvaluator, GivesTheFirstCauseThatApplies) {
  edm::JetColumns jets = make_jets(6, 1);
  jets.pt_reco = {10, 50, 50, 50, 50, 50};
  jets.rho = {1, -1, 1, 1, 1, 1};
  const std::vector<double> order{0, 0, 5, 0, 0, 0};
  DataRules rules;
  rules.new_variables = {{"root", "sqrt(rho)"}, {"high", "pt_reco > 20 && root >= 0"}};
  rules.selection = "high";
  rules.split_selection[2] = "order < 3";
  rules.weight = "pt_reco / 50 + order";
  rules.fraction = 0.5;
  JetEvaluator evaluator = make(rules);
  EXPECT_THAT(evaluator.branches(), ElementsAre("order"));
  const std::vector<NumberView> branches{{"order", NumberType::Real, order, {}}};
  const edm::JetView view = jets.view();
  evaluator.evaluate(view, branches);
  const GroupRule none, half{"half", 0.5, 1};
  EXPECT_EQ(evaluator.judge(0, Split::Train, none).fate, JetFate::Selection);
  EXPECT_EQ(evaluator.judge(1, Split::Train, none).fate, JetFate::SelectionNotFinite);
  EXPECT_EQ(evaluator.judge(2, Split::Test, none).fate, JetFate::SplitSelection);
  for (std::int64_t row = 2; row < 6; ++row) {
    const JetVerdict verdict = evaluator.judge(row, Split::Train, half);
    EXPECT_FLOAT_EQ(verdict.weight, row == 2 ? 3 : 0.5);
    EXPECT_EQ(verdict.fate == JetFate::Kept, fraction_draw(1, view, row) < 0.5);
    EXPECT_TRUE(verdict.fate == JetFate::Kept || verdict.fate == JetFate::Fraction);
  }
}

TEST(JetEvaluator, CarriesObserversInTheirTypes) {
  const edm::JetColumns jets = make_jets(2, 1);
  DataRules rules;
  rules.observers = {{"id", "id"}, {"event", "event"}, {"twice", "2 * id"}, {"qg_mult", "qg_mult"}};
  JetEvaluator evaluator = make(rules);
  const std::vector<std::int64_t> id{(1LL << 60) + 1, 3};
  const edm::JetView view = jets.view();
  evaluator.evaluate(view, std::vector<NumberView>{{"id", NumberType::Integer, {}, id}});
  const std::vector<NumberColumn>& observers = evaluator.observers();
  ASSERT_EQ(observers.size(), 4U);
  EXPECT_EQ(observers[0].integer, id);
  EXPECT_EQ(observers[1].type, NumberType::Unsigned);
  EXPECT_EQ(observers[1].integer[1], static_cast<std::int64_t>(jets.event[1]));
  EXPECT_EQ(observers[2].type, NumberType::Real);
  EXPECT_EQ(observers[2].real[1], 6);
  EXPECT_EQ(observers[3].type, NumberType::Integer);
}

TEST(JetEvaluator, RefusesWhatIsNoConditionAndNoWeight) {
  edm::JetColumns jets = make_jets(1, 1);
  jets.pt_reco = {30};
  const edm::JetView view = jets.view();
  DataRules rules;
  rules.selection = "pt_reco";
  JetEvaluator number = make(rules);
  number.evaluate(view, {});
  EXPECT_THROW(number.judge(0, Split::Train, {}), Error);
  rules.selection.clear();
  rules.weight = "-pt_reco";
  JetEvaluator negative = make(rules);
  negative.evaluate(view, {});
  EXPECT_THROW(negative.judge(0, Split::Train, {}), Error);
}

TEST(JetEvaluator, NamesWhatIsNowhereOrHidesSomething) {
  DataRules rules;
  rules.selection = "nothing > 1";
  EXPECT_THAT(error_of(rules), HasSubstr("selection: unknown name 'nothing'"));
  rules = {};
  rules.new_variables = {{"order", "pt_reco"}};
  EXPECT_THAT(error_of(rules), HasSubstr("'order' would hide a branch of a file"));
  rules.new_variables = {{"pf_pt", "pt_reco"}};
  EXPECT_THAT(error_of(rules), HasSubstr("would hide a column"));
  rules = {};
  rules.observers = {{"training_weight", "pt_reco"}};
  EXPECT_THAT(error_of(rules), HasSubstr("would hide a column"));
}

TEST(FractionDraw, IsUniformAndFollowsFromTheJetAlone) {
  const edm::JetColumns jets = make_jets(4000, 3);
  const edm::JetView view = jets.view();
  double sum = 0;
  for (std::int64_t row = 0; row < 4000; ++row) sum += fraction_draw(7, view, row);
  EXPECT_NEAR(sum / 4000, 0.5, 5 * std::sqrt(1.0 / 12 / 4000));
  edm::JetColumns one;
  one.append(view, 1234);
  EXPECT_EQ(fraction_draw(7, one.view(), 0), fraction_draw(7, view, 1234));
  EXPECT_NE(fraction_draw(8, one.view(), 0), fraction_draw(7, view, 1234));
}

}  // namespace
}  // namespace jetcal::data
