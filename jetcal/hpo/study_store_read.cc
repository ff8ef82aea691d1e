// SPDX-License-Identifier: Apache-2.0
// What is read from a study file.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "jetcal/hpo/detail/database.h"
#include "jetcal/hpo/detail/tuner_locks.h"
#include "jetcal/hpo/study_store.h"

namespace jetcal::hpo {

using detail::Query;
using Json = nlohmann::ordered_json;

namespace {

Metrics metrics_from_text(const std::string& text) {
  Metrics metrics;
  const Json json = Json::parse(text);  // outlives items()
  for (const auto& [name, value] : json.items())
    if (value.is_number()) metrics[name] = value.get<double>();
  return metrics;
}

Trial read_trial(const Query& row) {
  Trial trial;
  trial.number = row.integer(0);
  trial.state = parse_trial_state(row.text(1));
  trial.values = assignment_from_json(Json::parse(row.text(2)));
  trial.objectives = numbers_from_json(Json::parse(row.text(3)));
  trial.constraints = numbers_from_json(Json::parse(row.text(4)));
  trial.budget = row.integer(5);
  trial.bracket = row.integer(6);
  return trial;
}

TrialRecord read_record(const Query& row) {
  TrialRecord record;
  record.metrics = metrics_from_text(row.text(7));
  record.attempts = row.integer(8);
  record.failures = row.integer(9);
  record.created = row.real(10);
  record.started = row.real(11);
  record.ended = row.real(12);
  record.seconds = row.real(13);
  record.not_before = row.real(14);
  record.tuner = row.integer(15);
  record.host = row.text(16);
  record.pid = row.integer(17);
  record.error = row.text(18);
  record.last = row.integer(19) != 0;
  return record;
}

}  // namespace

const History& StudyStore::refresh() {
  database_->read([&] { read_changes(); });
  return history_;
}

void StudyStore::read_changes() {
  const std::int64_t known = revision_;
  std::vector<std::size_t> changed;
  Query rows(*database_,
             "SELECT number, state, \"values\", objectives, constraints, budget, bracket, metrics,"
             " attempts, failures, created, started, ended, seconds, not_before, tuner, host, pid,"
             " error, last, revision FROM trials WHERE revision > ?");
  rows.bind(1, known);
  while (rows.step()) {
    Trial trial = read_trial(rows);
    const auto index = static_cast<std::size_t>(trial.number);
    if (index >= history_.trials.size()) {
      history_.trials.resize(index + 1);
      records_.resize(index + 1);
    }
    history_.trials[index] = std::move(trial);
    records_[index] = read_record(rows);
    revision_ = std::max(revision_, rows.integer(20));
    changed.push_back(index);
  }
  if (changed.empty()) return;
  Query course(*database_,
               "SELECT trial, resource, objectives FROM reports WHERE trial IN"
               " (SELECT number FROM trials WHERE revision > ?) ORDER BY trial, resource");
  course.bind(1, known);
  while (course.step()) {
    history_.trials[static_cast<std::size_t>(course.integer(0))].course.push_back(
        {course.integer(1), numbers_from_json(Json::parse(course.text(2)))});
  }
}

std::vector<TrialEvent> StudyStore::events() const {
  std::vector<TrialEvent> events;
  Query query(*database_, "SELECT time, trial, tuner, what, detail FROM events ORDER BY id");
  while (query.step()) {
    events.push_back(
        {query.real(0), query.integer(1), query.integer(2), query.text(3), query.text(4)});
  }
  return events;
}

std::vector<TunerRecord> StudyStore::tuners() const {
  const std::string boot = detail::boot_id();
  std::vector<TunerRecord> tuners;
  Query query(*database_, "SELECT id, host, pid, started, heartbeat, boot, ended FROM tuners");
  while (query.step()) {
    TunerRecord tuner{query.integer(0), query.text(1), query.integer(2),
                      query.real(3),    query.real(4), false};
    tuner.alive = query.null(6) && tuner_alive(tuner, query.text(5));
    tuners.push_back(tuner);
  }
  return tuners;
}

}  // namespace jetcal::hpo
