// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/step_result.h"

namespace jetcal::pipeline {

StepResult result_of(const StepRun& run, const Instance& instance, const Store& store,
                     const RunOptions& options) {
  StepResult step;
  step.step = run.step->name;
  step.item = instance.item;
  step.state = state_name(instance.state);
  step.reason = instance.reason;
  step.why = instance.why;
  step.key = instance.key;
  step.log = instance.log;
  step.seconds = instance.seconds;
  step.attempts = instance.attempts;
  if (instance.record) {
    step.run = instance.record->run;
    step.outputs = instance.record->outputs;
    for (const auto& [name, output] : step.outputs) {
      if (is_artifact(output.type)) step.paths[name] = store.place_of(output);
    }
  }
  if (run.step->service && instance.has_outputs()) {
    Binding binding = instance.binding;
    binding.port = options.service_port;
    step.service = expand(run.step->service->command, binding);
    step.service[0] = options.find_program(step.service).path;
  }
  return step;
}

}  // namespace jetcal::pipeline
