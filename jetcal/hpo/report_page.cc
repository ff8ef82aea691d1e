// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/report_page.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "jetcal/base/files.h"
#include "jetcal/base/version.h"
#include "jetcal/page/carried_file.h"
#include "jetcal/page/page_parts.h"

JETCAL_CARRIED_FILE(jetcal_report_page, JETCAL_REPORT_PAGE)

namespace jetcal::hpo {

namespace {

using Json = nlohmann::ordered_json;

Json value_json(const Value& value) {
  return std::visit([](const auto& item) { return Json(item); }, value);
}

Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json parameter_json(const Parameter& parameter) {
  const char* kind = "range";
  if (parameter.kind == Parameter::Kind::Categorical) kind = "categorical";
  if (parameter.kind == Parameter::Kind::Discrete) kind = "discrete";
  Json choices = Json::array();
  for (const Value& choice : parameter.choices) choices.push_back(value_json(choice));
  return {{"name", parameter.name},
          {"kind", kind},
          {"log", parameter.log},
          {"choices", std::move(choices)}};
}

Json trial_json(const TableTrial& trial) {
  Json parameters = Json::object(), course = Json::array();
  for (const auto& [name, value] : trial.values) parameters[name] = value_json(value);
  for (const Report& report : trial.course) {
    if (!report.objectives.empty())
      course.push_back({report.resource, number_json(report.objectives.front())});
  }
  return {{"name", trial.name},       {"state", to_string(trial.state)},
          {"parameters", parameters}, {"metrics", trial.metrics},
          {"course", course},         {"resource", trial.resource},
          {"started", trial.started}, {"ended", trial.ended},
          {"worker", trial.worker},   {"message", trial.message}};
}

}  // namespace

Json to_json(const TrialTable& table) {
  Json parameters = Json::array(), trials = Json::array(), spans = Json::array();
  for (const Parameter& parameter : table.parameters)
    parameters.push_back(parameter_json(parameter));
  for (const TableTrial& trial : table.trials) trials.push_back(trial_json(trial));
  for (const WorkSpan& span : table.spans) {
    spans.push_back({{"trial", span.trial},
                     {"worker", span.worker},
                     {"begin", span.begin},
                     {"end", span.end},
                     {"outcome", span.outcome}});
  }
  return {{"parameters", std::move(parameters)},
          {"metrics", table.metrics},
          {"trials", std::move(trials)},
          {"spans", std::move(spans)}};
}

std::string report_page(const TrialTable& table, const Json& report) {
  Json data = report;
  data["objectives"] = Json::array();
  for (const Objective& objective : table.objectives)
    data["objectives"].push_back({{"metric", objective.metric}, {"maximise", objective.maximise}});
  data["table"] = to_json(table);
  data["program"] = std::string("jetcal ") + version() + " (" + commit() +
                    "); charts: Apache ECharts, Apache licence 2.0";
  return page::self_contained_page(jetcal_report_page(), data);
}

void write_report(const TrialTable& table, const Json& report,
                  const std::filesystem::path& folder) {
  const std::string page = report_page(table, report);
  PartialFolder part(folder);
  write_file(part.path() / "index.html", page);
  write_file(part.path() / "report.json", report.dump(2) + "\n");
  write_file(part.path() / "trials.csv", format_trial_csv(table));
  part.commit();
}

}  // namespace jetcal::hpo
