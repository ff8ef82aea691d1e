// SPDX-License-Identifier: Apache-2.0
// What a run tells of itself, as JSON.
#include <algorithm>

#include "jetcal/pipeline/runner.h"

namespace jetcal::pipeline {

std::int64_t RunResult::count(const std::string& of_state) const {
  return std::count_if(steps.begin(), steps.end(),
                       [&of_state](const StepResult& step) { return step.state == of_state; });
}

Json to_json(const StepResult& step) {
  Json document = {{"step", instance_name(step.step, step.item)}, {"state", step.state}};
  if (!step.reason.empty()) document["reason"] = step.reason;
  if (!step.why.empty()) document["why"] = step.why;
  if (!step.key.empty()) document["key"] = step.key;
  if (!step.run.empty()) document["run"] = step.run;
  if (step.attempts > 0) document["attempts"] = step.attempts;
  if (step.attempts > 0) document["seconds"] = step.seconds;
  if (!step.log.empty()) document["log"] = step.log;
  for (const auto& [name, output] : step.outputs)
    document["outputs"][name] = is_artifact(output.type) ? Json(output.sha256) : output.value;
  if (!step.paths.empty()) document["paths"] = step.paths;
  if (!step.service.empty()) document["service"] = step.service;
  return document;
}

Json to_json(const RunResult& result) {
  Json steps = Json::array();
  for (const StepResult& step : result.steps) steps.push_back(to_json(step));
  Json document = {{"run", result.run}, {"state", result.state}, {"seconds", result.seconds}};
  for (const char* state :
       {"finished", "cached", "kept", "skipped", "failed", "blocked", "cancelled"})
    document[state] = result.count(state);
  document["steps"] = steps;
  return document;
}

}  // namespace jetcal::pipeline
