// SPDX-License-Identifier: Apache-2.0
// A study as a table of trials, for reports.
#pragma once

#include <filesystem>

#include "jetcal/hpo/study_store.h"
#include "jetcal/hpo/trial_table.h"

namespace jetcal::hpo {

/// All trials of a study as of its last refresh(), with what each worker did when.
TrialTable study_table(const StudyStore& store);

/// Reads a study file, or a CSV table as read_trial_csv; `options` count for CSV, and
/// `options.objective` may name another metric of a study too. Throws NotFound for a missing file.
TrialTable read_trial_table(const std::filesystem::path& path, const TableOptions& options = {});

}  // namespace jetcal::hpo
