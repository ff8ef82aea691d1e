// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/step_attempt.h"

#include <algorithm>

#include "jetcal/base/version.h"
#include "jetcal/pipeline/detail/keep_outputs.h"
#include "jetcal/pipeline/detail/run_files.h"

namespace jetcal::pipeline {

Attempt attempt_of(Instance& instance, const RunOptions& options) {
  const Step& step = *instance.binding.step;
  Attempt attempt;
  Binding& binding = instance.binding;
  if (step.service) {
    binding.port = attempt.port = free_port();
    attempt.service = expand(step.service->command, binding);
    attempt.service[0] = options.find_program(attempt.service).path;
    attempt.service_log = instance.log + ".service";
    attempt.ready_path = step.service->ready;
    attempt.start_limit = step.service->start_limit;
  }
  attempt.command = expand(step.command, binding);
  attempt.command[0] = instance.program;
  attempt.environment = step_environment(binding, instance.key);
  attempt.folder = binding.work;
  attempt.log = instance.log;
  const bool prints = std::any_of(step.outputs.begin(), step.outputs.end(),
                                  [](const OutputPort& port) { return port.from_stdout; });
  if (prints) attempt.standard_output = binding.work / kStandardOutput;
  attempt.lock = binding.work.string() + ".lock";
  attempt.time_limit = step.time_limit;
  attempt.grace = options.grace;
  return attempt;
}

StepRecord record_of(const std::string& pipeline, const Instance& instance,
                     const std::string& run) {
  StepRecord record;
  record.key = instance.key;
  record.pipeline = pipeline;
  record.step = instance.binding.step->name;
  record.run = run;
  record.components = instance.components;
  record.started = instance.started;
  record.attempts = instance.attempts;
  record.version = version();
  record.commit = commit();
  record.origins = Json::object();
  for (const auto& [name, input] : instance.binding.inputs) {
    Json origins = Json::array();
    for (const BoundArtifact& artifact : input.artifacts)
      origins.push_back({{"origin", artifact.origin}, {"sha256", artifact.sha256}});
    if (!origins.empty()) record.origins[name] = origins;
  }
  return record;
}

}  // namespace jetcal::pipeline
