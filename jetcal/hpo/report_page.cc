// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/report_page.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/version.h"
#include "jetcal/hpo/chart_library.h"
#include "jetcal/hpo/detail/page_parts.h"

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

// Puts the parts into the page. The first of equal marks counts; parts are not searched.
std::string filled(std::string_view page,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> parts) {
  std::string text;
  for (const auto& [mark, part] : parts) {
    const std::size_t at = page.find(mark);
    if (at == std::string_view::npos)
      fail(ErrorCode::Internal, "the page of the report has no mark ", mark);
    text.append(page.substr(0, at)).append(part);
    page.remove_prefix(at + mark.size());
  }
  return text.append(page);
}

// JSON that may stand in a script element: no "</script" and no "<!--" can come up in it.
std::string script_json(const Json& json) {
  std::string text;
  for (const char letter : json.dump(-1, ' ', false, Json::error_handler_t::replace))
    text += letter == '<' ? std::string("\\u003c") : std::string(1, letter);
  return text;
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
  if (chart_library().empty()) {
    fail(ErrorCode::Unimplemented,
         "this build was made without Apache ECharts (tools/setup.py build), which the page needs");
  }
  Json data = report;
  data["objectives"] = Json::array();
  for (const Objective& objective : table.objectives)
    data["objectives"].push_back({{"metric", objective.metric}, {"maximise", objective.maximise}});
  data["table"] = to_json(table);
  data["program"] = std::string("jetcal ") + version() + " (" + commit() +
                    "); charts: Apache ECharts, Apache licence 2.0";
  return filled(detail::page_template(),
                {{"@DATA@", script_json(data)}, {"@CHARTS@", chart_library()}});
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
