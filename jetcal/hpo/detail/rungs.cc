// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/rungs.h"

#include <algorithm>
#include <cmath>

namespace jetcal::hpo::detail {

std::vector<std::int64_t> rung_budgets(std::int64_t lowest, std::int64_t highest, double eta) {
  std::vector<std::int64_t> budgets{highest};
  for (double budget = static_cast<double>(highest) / eta;; budget /= eta) {
    const auto rounded = static_cast<std::int64_t>(std::llround(budget));
    if (rounded < lowest || rounded >= budgets.back()) break;
    budgets.push_back(rounded);
  }
  // Half a rung or more that is left below counts as a rung of its own.
  if (static_cast<double>(budgets.back()) >= static_cast<double>(lowest) * std::sqrt(eta) &&
      budgets.back() > lowest)
    budgets.push_back(lowest);
  std::reverse(budgets.begin(), budgets.end());
  return budgets;
}

Rungs::Rungs(std::vector<std::int64_t> budgets, double eta, std::size_t first)
    : budgets_(std::move(budgets)), eta_(eta), first_(first) {}

std::optional<Outcome> Rungs::at_budget(const Trial& trial, std::int64_t budget,
                                        const std::vector<Objective>& objectives) {
  for (const Report& report : trial.course) {
    if (report.resource < budget) continue;
    Trial then;  // all that an outcome is made from
    then.state = TrialState::Paused;
    then.course = {report};
    then.constraints = trial.constraints;
    if (standing_of(then) != Standing::Known) return std::nullopt;
    Outcome outcome = outcome_of(then, objectives);
    outcome.complete = true;  // all stand at the same budget
    return outcome;
  }
  if (trial.state != TrialState::Complete || standing_of(trial) != Standing::Known)
    return std::nullopt;
  return outcome_of(trial, objectives);
}

std::optional<Promotion> Rungs::promotion(const History& history, std::int64_t bracket) const {
  for (std::size_t rung = budgets_.size() - 1; rung-- > first_;) {
    std::vector<const Trial*> trials;
    std::vector<Outcome> outcomes;
    for (const Trial& trial : history.trials) {
      if (trial.bracket != bracket || trial.state == TrialState::Failed) continue;
      std::optional<Outcome> outcome = at_budget(trial, budgets_[rung], history.objectives);
      if (!outcome) continue;
      trials.push_back(&trial);
      outcomes.push_back(std::move(*outcome));
    }
    const auto places =
        static_cast<std::size_t>(std::floor(static_cast<double>(trials.size()) / eta_));
    if (places == 0) continue;
    const std::vector<std::size_t> order = order_of(outcomes);
    for (std::size_t place = 0; place < places; ++place) {
      const Trial& trial = *trials[order[place]];
      if (trial.state == TrialState::Paused && trial.budget < budgets_[rung + 1])
        return Promotion{trial.number, budgets_[rung + 1], rung + 2 == budgets_.size()};
    }
  }
  return std::nullopt;
}

}  // namespace jetcal::hpo::detail
