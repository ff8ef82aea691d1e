// SPDX-License-Identifier: Apache-2.0
// Parameters of a table as axes of the unit cube, for importance.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jetcal/hpo/trial_table.h"

namespace jetcal::hpo::detail {

/// One parameter. Without order: `place` is the number of the level. With order: `place` is in
/// [0, 1], and the parameter's own distribution is uniform there; levels lie at the middles of
/// equal parts.
struct UnitAxis {
  std::string name;
  bool ordered = true;
  std::size_t levels = 0;     ///< 0: a range.
  std::vector<double> place;  ///< One a trial.
};

/// Trials with a result, their result, and an axis for each parameter that has more than one value
/// among them.
struct UnitTrials {
  std::vector<UnitAxis> axes;
  std::vector<double> results;
};

/// Throws InvalidArgument naming the table when fewer than four trials have a result.
UnitTrials unit_trials(const TrialTable& table, const std::string& metric);

}  // namespace jetcal::hpo::detail
