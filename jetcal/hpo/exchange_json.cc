// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/hpo/exchange.h"

namespace jetcal::hpo {

using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kFormat = "jetcal-study-1";

Json metrics_json(const Metrics& metrics) {
  Json json = Json::object();
  for (const auto& [name, value] : metrics)
    json[name] = std::isfinite(value) ? Json(value) : Json();
  return json;
}

}  // namespace

Json trial_json(const StudyStore& store, std::int64_t number) {
  const Trial& trial = store.history().trials.at(static_cast<std::size_t>(number));
  const TrialRecord& record = store.records().at(static_cast<std::size_t>(number));
  Json json{{"number", number},
            {"state", to_string(trial.state)},
            {"values", to_json(trial.values)},
            {"objectives", to_json(trial.objectives)},
            {"constraints", to_json(trial.constraints)},
            {"metrics", metrics_json(record.metrics)},
            {"resource", trial.course.empty() ? 0 : trial.course.back().resource},
            {"budget", trial.budget},
            {"last", record.last},
            {"bracket", trial.bracket},
            {"attempts", record.attempts},
            {"failures", record.failures},
            {"created", record.created},
            {"started", record.started},
            {"ended", record.ended},
            {"seconds", record.seconds}};
  if (!record.error.empty()) json["error"] = record.error;
  json["course"] = Json::array();
  for (const Report& report : trial.course) {
    json["course"].push_back(
        {{"resource", report.resource}, {"objectives", to_json(report.objectives)}});
  }
  return json;
}

Json to_json(const StudyStore& store) {
  Json json{{"format", kFormat}, {"definition", to_json(store.definition())}};
  json["trials"] = Json::array();
  for (const Trial& trial : store.history().trials)
    json["trials"].push_back(trial_json(store, trial.number));
  json["events"] = Json::array();
  for (const TrialEvent& event : store.events()) {
    json["events"].push_back({{"time", event.time},
                              {"trial", event.trial},
                              {"tuner", event.tuner},
                              {"what", event.what},
                              {"detail", event.detail}});
  }
  return json;
}

namespace {

void read_trial(const Json& json, ImportedStudy& study) {
  Trial trial;
  trial.number = json.at("number").get<std::int64_t>();
  trial.state = parse_trial_state(json.at("state").get<std::string>());
  trial.values = assignment_from_json(json.at("values"));
  trial.objectives = numbers_from_json(json.at("objectives"));
  trial.constraints = numbers_from_json(json.at("constraints"));
  trial.budget = json.value("budget", std::int64_t{0});
  trial.bracket = json.value("bracket", std::int64_t{0});
  for (const Json& report : json.value("course", Json::array())) {
    trial.course.push_back(
        {report.at("resource").get<std::int64_t>(), numbers_from_json(report.at("objectives"))});
  }
  TrialRecord record;
  const Json metrics = json.value("metrics", Json::object());  // outlives items()
  for (const auto& [name, value] : metrics.items())
    if (value.is_number()) record.metrics[name] = value.get<double>();
  record.last = json.value("last", true);
  record.attempts = json.value("attempts", std::int64_t{0});
  record.failures = json.value("failures", std::int64_t{0});
  record.created = json.value("created", 0.0);
  record.started = json.value("started", 0.0);
  record.ended = json.value("ended", 0.0);
  record.seconds = json.value("seconds", 0.0);
  record.error = json.value("error", "");
  study.trials.push_back(std::move(trial));
  study.records.push_back(std::move(record));
}

}  // namespace

ImportedStudy from_json(const Json& json) {
  if (!json.is_object() || json.value("format", "") != kFormat)
    fail(ErrorCode::InvalidArgument, "not a study: the field format is not ", kFormat);
  ImportedStudy study;
  try {
    study.definition = definition_from_json(json.at("definition"));
    for (const Json& trial : json.at("trials")) read_trial(trial, study);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::InvalidArgument, "not a whole study: trial ", study.trials.size(), ": ",
         error.what());
  }
  return study;
}

}  // namespace jetcal::hpo
