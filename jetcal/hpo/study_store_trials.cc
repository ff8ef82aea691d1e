// SPDX-License-Identifier: Apache-2.0
// What a tuner writes about the trials that it runs; each write asks whether they are still its.
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "jetcal/base/encoding.h"
#include "jetcal/base/error.h"
#include "jetcal/hpo/detail/database.h"
#include "jetcal/hpo/detail/tuner_locks.h"
#include "jetcal/hpo/study_store.h"

namespace jetcal::hpo {

using detail::Query;
using Json = nlohmann::ordered_json;

namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Adds to what was printed before; a null is a value that is no number.
std::string merged(const std::string& text, const Metrics& metrics) {
  Json json = Json::parse(text);
  for (const auto& [name, value] : metrics)
    json[name] = std::isfinite(value) ? Json(value) : Json();
  return json.dump();
}

}  // namespace

bool StudyStore::owns(std::int64_t trial) const {
  Query query(*database_,
              "SELECT count(*) FROM trials WHERE number=? AND tuner=? AND state='running'");
  query.bind(1, trial).bind(2, tuner_).step();
  return query.integer(0) == 1;
}

void StudyStore::merge_metrics(std::int64_t trial, const Metrics& metrics) {
  Query held(*database_, "SELECT metrics FROM trials WHERE number=?");
  held.bind(1, trial).step();
  Query(*database_, "UPDATE trials SET metrics=? WHERE number=?")
      .bind(1, merged(held.text(0), metrics))
      .bind(2, trial)
      .run();
}

bool StudyStore::report(std::int64_t trial, const Report& report, const Metrics& metrics) {
  bool ours = false;
  database_->write([&] {
    ours = owns(trial);
    if (!ours) return;
    merge_metrics(trial, metrics);
    Query(*database_, "INSERT OR REPLACE INTO reports VALUES(?, ?, ?, ?, ?)")
        .bind(1, trial)
        .bind(2, report.resource)
        .bind(3, to_json(report.objectives).dump())
        .bind(4, merged("{}", metrics))
        .bind(5, now_seconds())
        .run();
    touch(trial);
  });
  return ours;
}

bool StudyStore::set_metrics(std::int64_t trial, const Metrics& metrics) {
  bool ours = false;
  database_->write([&] {
    ours = owns(trial);
    if (!ours) return;
    merge_metrics(trial, metrics);
    touch(trial);
  });
  return ours;
}

bool StudyStore::end(std::int64_t trial, TrialState state, const char* what,
                     const std::string& reason, const std::function<void()>& more) {
  bool ours = false;
  const std::string detail = as_utf8(reason);  // the last words of a program may be any bytes
  database_->write([&] {
    ours = owns(trial);
    if (!ours) return;
    const double now = now_seconds();
    Query begun(*database_,
                "SELECT max(time) FROM events WHERE trial=? AND what IN ('started', 'promoted')");
    begun.bind(1, trial).step();
    Query(*database_,
          "UPDATE trials SET state=?, ended=?, seconds=seconds+?, error=?, not_before=0"
          " WHERE number=?")
        .bind(1, std::string(to_string(state)))
        .bind(2, now)
        .bind(3, std::max(0.0, now - begun.real(0)))
        .bind(4, state == TrialState::Complete ? std::string() : detail)
        .bind(5, trial)
        .run();
    if (more) more();
    touch(trial);
    add_event(trial, what, detail);
  });
  return ours;
}

bool StudyStore::complete(std::int64_t trial, const std::vector<double>& objectives) {
  return end(trial, TrialState::Complete, "complete", "", [&] {
    Query held(*database_, "SELECT metrics FROM trials WHERE number=?");
    held.bind(1, trial).step();
    const Json metrics = Json::parse(held.text(0));
    std::vector<double> constraints;
    for (const Constraint& constraint : definition_.constraints) {
      if (!metrics.contains(constraint.metric) || !metrics.at(constraint.metric).is_number()) {
        jetcal::fail(ErrorCode::InvalidArgument, "trial ", trial, " did not print the metric '",
                     constraint.metric, "' of a constraint");
      }
      constraints.push_back(constraint.excess(metrics.at(constraint.metric).get<double>()));
    }
    Query(*database_, "UPDATE trials SET objectives=?, constraints=? WHERE number=?")
        .bind(1, to_json(objectives).dump())
        .bind(2, to_json(constraints).dump())
        .bind(3, trial)
        .run();
  });
}

bool StudyStore::pause(std::int64_t trial) {
  return end(trial, TrialState::Paused, "paused", "", nullptr);
}

bool StudyStore::stop(std::int64_t trial, const std::string& reason) {
  return end(trial, TrialState::Stopped, "stopped", reason, nullptr);
}

bool StudyStore::fail(std::int64_t trial, const std::string& reason, std::optional<double> delay) {
  const TrialState state = delay ? TrialState::Waiting : TrialState::Failed;
  return end(trial, state, delay ? "retry" : "failed", reason, [&] {
    Query(*database_, "UPDATE trials SET failures=failures+1, not_before=? WHERE number=?")
        .bind(1, delay ? now_seconds() + *delay : 0.0)
        .bind(2, trial)
        .run();
  });
}

bool StudyStore::release(std::int64_t trial, const std::string& reason) {
  return end(trial, TrialState::Waiting, "released", reason, nullptr);
}

}  // namespace jetcal::hpo
