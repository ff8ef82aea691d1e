// SPDX-License-Identifier: Apache-2.0
// Trials as rows of a table, and one trial with all that is known of it.
#include <algorithm>
#include <cmath>
#include <set>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/board/study_view.h"
#include "jetcal/hpo/exchange.h"
#include "jetcal/hpo/executor.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;
using hpo::Parameter;
using hpo::Trial;
using hpo::TrialRecord;

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json if_known(double value) { return value > 0 ? Json(value) : Json(); }

Json field(const std::string& name, const char* kind) { return {{"name", name}, {"kind", kind}}; }

Json parameter_field(const Parameter& parameter) {
  Json one = field(parameter.name, "parameter");
  one["log"] = parameter.log;
  if (parameter.kind == Parameter::Kind::Categorical) {
    one["choices"] = Json::array();
    for (const hpo::Value& choice : parameter.choices)
      one["choices"].push_back(hpo::to_string(choice));
  }
  return one;
}

// Names of metrics that are no objectives.
std::vector<std::string> other_metrics(const hpo::StudyStore& store) {
  std::set<std::string> names;
  for (const TrialRecord& record : store.records()) {
    for (const auto& [name, value] : record.metrics) names.insert(name);
  }
  for (const hpo::Objective& objective : store.history().objectives) names.erase(objective.metric);
  return {names.begin(), names.end()};
}

Json row_of(const hpo::StudyStore& store, const Trial& trial,
            const std::vector<std::string>& metrics) {
  const TrialRecord& record = store.records()[static_cast<std::size_t>(trial.number)];
  Json row = {trial.number, to_string(trial.state)};
  for (std::size_t k = 0; k < store.history().objectives.size(); ++k)
    row.push_back(k < trial.objectives.size() ? finite(trial.objectives[k]) : Json());
  const bool reported = !trial.course.empty() && !trial.course.back().objectives.empty();
  row.push_back(reported ? finite(trial.course.back().objectives.front()) : Json());
  for (const Parameter& parameter : store.definition().space.parameters()) {
    const auto value = trial.values.find(parameter.name);
    row.push_back(value == trial.values.end() ? Json() : hpo::to_json(value->second));
  }
  for (const std::string& name : metrics) {
    const auto value = record.metrics.find(name);
    row.push_back(value == record.metrics.end() ? Json() : finite(value->second));
  }
  if (!store.definition().constraints.empty()) {
    const bool kept = std::all_of(trial.constraints.begin(), trial.constraints.end(),
                                  [](double excess) { return excess <= 0; });
    row.push_back(trial.constraints.empty() ? Json() : Json(kept ? "yes" : "no"));
  }
  row.push_back(trial.course.empty() ? Json() : Json(trial.course.back().resource));
  row.push_back(if_known(record.seconds));
  row.push_back(if_known(record.started));
  row.push_back(record.attempts);
  row.push_back(record.error.empty() ? Json() : Json(record.error));
  return row;
}

std::string first_of(const fs::path& path, std::size_t max_bytes) {
  std::string text = read_file(path);
  if (text.size() > max_bytes) text.resize(max_bytes);
  return text;
}

}  // namespace

Json study_trials(const hpo::StudyStore& store) {
  const std::vector<std::string> metrics = other_metrics(store);
  Json fields = {field("trial", "trial"), field("state", "state")};
  for (const hpo::Objective& objective : store.history().objectives) {
    fields.push_back(field(objective.metric, "objective"));
    fields.back()["maximise"] = objective.maximise;
  }
  fields.push_back(field("last " + store.history().objectives.front().metric, "last"));
  for (const Parameter& parameter : store.definition().space.parameters())
    fields.push_back(parameter_field(parameter));
  for (const std::string& name : metrics) fields.push_back(field(name, "metric"));
  if (!store.definition().constraints.empty())
    fields.push_back(field("within constraints", "word"));
  fields.push_back(field("resource", "number"));
  fields.push_back(field("seconds", "seconds"));
  fields.push_back(field("started", "time"));
  fields.push_back(field("attempts", "number"));
  fields.push_back(field("message", "word"));
  Json rows = Json::array();
  for (const Trial& trial : store.history().trials) rows.push_back(row_of(store, trial, metrics));
  return {{"fields", fields}, {"rows", rows}};
}

fs::path trial_folder(const hpo::StudyStore& store, std::int64_t number) {
  if (number < 0 || number >= static_cast<std::int64_t>(store.history().trials.size()))
    fail(ErrorCode::NotFound, "the study has no trial ", number);
  return hpo::trial_folder(store.path().parent_path(), number);
}

std::vector<std::string> trial_logs(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code kind_error;
    if (entry->path().extension() == ".log" &&
        fs::is_regular_file(entry->symlink_status(kind_error)))
      names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Json study_trial(const hpo::StudyStore& store, std::int64_t number) {
  constexpr std::size_t kMaxText = 20000;
  const fs::path folder = trial_folder(store, number);
  Json document = hpo::trial_json(store, number);
  const TrialRecord& record = store.records()[static_cast<std::size_t>(number)];
  document["study"] = store.definition().name;
  document["objective_names"] = Json::array();
  for (const hpo::Objective& objective : store.history().objectives)
    document["objective_names"].push_back(objective.metric);
  document["host"] = record.host;
  document["pid"] = record.pid;
  document["tuner"] = record.tuner;
  document["count"] = store.history().trials.size();
  document["events"] = Json::array();
  for (const hpo::TrialEvent& event : store.events()) {
    if (event.trial != number) continue;
    document["events"].push_back({{"time", event.time},
                                  {"tuner", event.tuner},
                                  {"what", event.what},
                                  {"detail", event.detail}});
  }
  document["folder"] = folder.string();
  document["logs"] = trial_logs(folder);
  document["commands"] = Json::array();
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code kind_error;
    if (entry->path().extension() == ".command" &&
        fs::is_regular_file(entry->symlink_status(kind_error)))
      document["commands"].push_back(
          {{"step", entry->path().stem().string()}, {"text", first_of(entry->path(), kMaxText)}});
  }
  if (fs::is_regular_file(folder / "config.yaml"))
    document["config"] = first_of(folder / "config.yaml", kMaxText);
  return document;
}

}  // namespace jetcal::board
