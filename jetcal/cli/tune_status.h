// SPDX-License-Identifier: Apache-2.0
// A study for people and for machines.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "jetcal/hpo/study_store.h"

namespace jetcal::cli {

/// Counts, limits, tuners and the best trials.
nlohmann::ordered_json study_summary(const hpo::StudyStore& store);
/// The same as a table on standard output.
void print_study_summary(const hpo::StudyStore& store);

/// Complete trials, best first (by the first objective), those beyond a constraint last.
std::vector<std::int64_t> best_first(const hpo::History& history);

}  // namespace jetcal::cli
