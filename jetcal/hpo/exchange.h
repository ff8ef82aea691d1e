// SPDX-License-Identifier: Apache-2.0
// Studies in the formats of other tools: tables, JSON, Optuna's journal, Katib's trial tables.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/hpo/study_store.h"

namespace jetcal::hpo {

/// A study that came from elsewhere.
struct ImportedStudy {
  StudyDefinition definition;
  std::vector<Trial> trials;
  std::vector<TrialRecord> records;
  std::vector<std::string> notes;  ///< What was guessed, changed or left out.
};

/// One trial with all that is known of it.
nlohmann::ordered_json trial_json(const StudyStore& store, std::int64_t trial);

/// One row a trial: number, state, a column for each parameter, objective, constraint
/// ("excess:METRIC") and other metric ("metric:NAME"), resource, attempts, failures, times, error.
std::string to_csv(const StudyStore& store);
/// The definition, all trials with their courses, and all events.
nlohmann::ordered_json to_json(const StudyStore& store);
/// Optuna's journal (JournalFileBackend of Optuna 4 and 5): one study with all its trials, for
/// optuna-dashboard and optuna.load_study. A paused trial is PRUNED there, with the user attribute
/// "jetcal:state".
std::string to_optuna_journal(const StudyStore& store);

/// Read what the functions above write. Throw InvalidArgument naming line and field.
ImportedStudy from_json(const nlohmann::ordered_json& json);
/// Of a journal with several studies, `name` chooses. Parameters that no trial has are unknown to a
/// journal; distributions that differ between trials become the widest one.
ImportedStudy from_optuna_journal(const std::string& text, const std::string& name = "");
/// Reads to_csv()'s tables and those that Katib's page exports ("Trial name", "Status", metrics and
/// parameters as "Num fc layers"). `definition` says what is a parameter and what the objectives
/// are; without it both are guessed from the columns. Columns of the paper's tables are known under
/// the names of the spaces paper-pfn and paper-particlenet.
ImportedStudy from_table(const std::string& text, const std::optional<StudyDefinition>& definition);

}  // namespace jetcal::hpo
