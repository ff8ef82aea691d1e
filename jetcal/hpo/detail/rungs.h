// SPDX-License-Identifier: Apache-2.0
// Budgets of successive halving, and which paused trials have earned the next one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jetcal/hpo/pareto.h"

namespace jetcal::hpo::detail {

/// Ascending budgets: from `lowest`, each `eta` times the one before (rounded), the last `highest`.
/// Where the highest is no such multiple, the rungs are laid from it downwards.
std::vector<std::int64_t> rung_budgets(std::int64_t lowest, std::int64_t highest, double eta);

/// A trial that goes on, to which budget.
struct Promotion {
  std::int64_t number = 0;
  std::int64_t budget = 0;
  bool last = false;
};

/// Asynchronous successive halving (Li et al. 2020) in one bracket: of the n trials that reached a
/// rung, the best n / eta go on as soon as they are among them. Trials are resumed, never repeated.
class Rungs {
 public:
  /// Starts at budgets[first].
  Rungs(std::vector<std::int64_t> budgets, double eta, std::size_t first);

  std::int64_t first_budget() const noexcept { return budgets_[first_]; }
  bool first_is_last() const noexcept { return first_ + 1 == budgets_.size(); }
  /// The trial to go on, highest rung first; nothing where none has earned it.
  std::optional<Promotion> promotion(const History& history, std::int64_t bracket) const;

  /// The outcome a trial had when it reached a budget: the first report there or beyond; its final
  /// one where it is complete, though it ended before.
  static std::optional<Outcome> at_budget(const Trial& trial, std::int64_t budget,
                                          const std::vector<Objective>& objectives);

 private:
  std::vector<std::int64_t> budgets_;
  double eta_;
  std::size_t first_;
};

}  // namespace jetcal::hpo::detail
