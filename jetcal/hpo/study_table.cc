// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/study_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "jetcal/base/error.h"

namespace jetcal::hpo {

namespace {

TableTrial row_of(const Trial& trial, const TrialRecord& record,
                  const std::vector<Objective>& objectives) {
  TableTrial row;
  row.name = std::to_string(trial.number);
  row.state = trial.state;
  row.values = trial.values;
  row.feasible = is_feasible(trial);
  for (const auto& [name, value] : record.metrics)
    if (std::isfinite(value)) row.metrics[name] = value;
  for (std::size_t k = 0; k < std::min(objectives.size(), trial.objectives.size()); ++k) {
    row.metrics.erase(objectives[k].metric);
    if (std::isfinite(trial.objectives[k])) row.metrics[objectives[k].metric] = trial.objectives[k];
  }
  row.course = trial.course;
  if (!trial.course.empty()) row.resource = trial.course.back().resource;
  row.started = record.started;
  row.ended = record.ended;
  if (record.tuner != 0) row.worker = "tuner " + std::to_string(record.tuner);
  row.message = record.error;
  return row;
}

// From each start to what happened next to the trial.
std::vector<WorkSpan> spans_of(const StudyStore& store) {
  std::vector<WorkSpan> spans;
  std::map<std::int64_t, std::size_t> open;  // trial to its span
  for (const TrialEvent& event : store.events()) {
    const auto begun = open.find(event.trial);
    if (begun != open.end()) {
      spans[begun->second].end = event.time;
      spans[begun->second].outcome = event.what;
      open.erase(begun);
    }
    if (event.what != "started" && event.what != "promoted") continue;
    open[event.trial] = spans.size();
    spans.push_back({.trial = static_cast<std::size_t>(event.trial),
                     .worker = "tuner " + std::to_string(event.tuner),
                     .begin = event.time,
                     .end = event.time,
                     .outcome = "running"});
  }
  return spans;
}

}  // namespace

TrialTable study_table(const StudyStore& store) {
  TrialTable table;
  table.source = store.path().string();
  table.parameters = store.definition().space.parameters();
  table.objectives = store.definition().objectives;
  std::set<std::string> metrics;
  const std::vector<Trial>& trials = store.history().trials;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    table.trials.push_back(row_of(trials[i], store.records()[i], table.objectives));
    for (const auto& [name, value] : table.trials.back().metrics) metrics.insert(name);
  }
  for (const Objective& objective : table.objectives) {
    table.metrics.push_back(objective.metric);
    metrics.erase(objective.metric);
  }
  table.metrics.insert(table.metrics.end(), metrics.begin(), metrics.end());
  table.spans = spans_of(store);
  return table;
}

TrialTable read_trial_table(const std::filesystem::path& path, const TableOptions& options) {
  if (!std::filesystem::exists(path) || !StudyStore::is_study(path))
    return read_trial_csv(path, options);
  StudyStore store = StudyStore::read(path);
  store.refresh();
  TrialTable table = study_table(store);
  if (options.objective.empty()) return table;
  const auto known = std::find(table.metrics.begin(), table.metrics.end(), options.objective);
  if (known == table.metrics.end()) {
    fail(ErrorCode::InvalidArgument, path.string(), ": no trial has the metric '",
         options.objective, "'");
  }
  table.objectives = {{options.objective, options.maximise}};
  return table;
}

}  // namespace jetcal::hpo
