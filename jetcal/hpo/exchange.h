// SPDX-License-Identifier: Apache-2.0
// Studies in the formats of other tools: tables, JSON, Optuna's journal, Katib's trial tables.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/hpo/study_store.h"
#include "jetcal/hpo/trial_table.h"

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

/// The study as rows; trial_table.h writes and reads them as CSV.
TrialTable table_of(const StudyStore& store);
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
/// Of rows, such as a Katib table's. `definition` says what is a parameter and what the objectives
/// are; columns match its names whatever their case, blanks or "_", and the columns of the paper's
/// Katib tables match those of the spaces paper-pfn and paper-particlenet. Without it the table's
/// own guess holds. Throws InvalidArgument naming the trial for a value that the space does not
/// have.
ImportedStudy from_table(const TrialTable& table, const std::optional<StudyDefinition>& definition);

}  // namespace jetcal::hpo
