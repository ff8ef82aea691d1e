// SPDX-License-Identifier: Apache-2.0
// What the page shows of a study, as JSON.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/board/run_shelf.h"
#include "jetcal/hpo/study_store.h"
#include "jetcal/hpo/trial_table.h"

namespace jetcal::board {

// All of these see a store as of its last refresh().

/// Name, algorithm, limits, counts by state, best and front, reasons of failures.
Json study_summary(const hpo::StudyStore& store);
/// The tuners that live.
Json study_tuners(const hpo::StudyStore& store);
/// {"fields": [{"name", "kind", "log", "choices"}], "rows": [[...]]}; kinds are trial, state,
/// objective, metric, parameter, word, number, seconds, time. What a trial lacks is null.
Json study_trials(const hpo::StudyStore& store);
/// Courses of the first objective, thinned: {"shown", "total", "trials": [{"trial", "state",
/// "points": [[resource, value]]}]}.
Json study_curves(const hpo::StudyStore& store);
/// {"spans": [{"trial", "worker", "begin", "end", "outcome"}], "total"}: the newest few thousand.
Json study_workers(const hpo::StudyStore& store);
/// Takes seconds for thousands of trials, of which it counts at most 1000, evenly chosen.
Json study_importance(const hpo::TrialTable& table);
/// Throws NotFound.
Json study_trial(const hpo::StudyStore& store, std::int64_t number);

/// Where a trial ran. Throws NotFound for a number that no trial has.
std::filesystem::path trial_folder(const hpo::StudyStore& store, std::int64_t number);
/// Names of the logs in a trial's folder; none where the folder is gone.
std::vector<std::string> trial_logs(const std::filesystem::path& folder);

}  // namespace jetcal::board
