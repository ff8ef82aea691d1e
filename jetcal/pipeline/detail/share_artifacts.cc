// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/share_artifacts.h"

#include <algorithm>

namespace jetcal::pipeline {
namespace {

bool is_read(const Pipeline& pipeline, const std::string& step, const std::string& output) {
  return std::any_of(pipeline.steps.begin(), pipeline.steps.end(), [&](const Step& one) {
    return std::any_of(one.inputs.begin(), one.inputs.end(), [&](const InputPort& port) {
      return port.source.kind == Source::Kind::Step && port.source.step == step &&
             port.source.name == output;
    });
  });
}

}  // namespace

std::vector<Output> artifacts_for(const Instance& instance, const std::vector<StepRun>& steps) {
  std::vector<Output> all;
  for (const InputPort& port : instance.binding.step->inputs) {
    const auto bound = instance.binding.inputs.find(port.name);
    if (port.source.kind != Source::Kind::Step || bound == instance.binding.inputs.end()) continue;
    for (const StepRun& run : steps) {
      if (run.step->name != port.source.step) continue;
      for (const Instance& maker : run.instances) {
        if (!maker.record) continue;
        const Output& output = maker.record->outputs.at(port.source.name);
        const auto& wanted = bound->second.artifacts;
        if (std::any_of(wanted.begin(), wanted.end(), [&output](const BoundArtifact& artifact) {
              return artifact.sha256 == output.sha256;
            }))
          all.push_back(output);
      }
    }
  }
  return all;
}

std::vector<Output> results_of(const Pipeline& pipeline, const StepRun& run,
                               const Instance& instance, const std::vector<StepRun>& steps) {
  std::vector<Output> all;
  if (run.step->service) all = artifacts_for(instance, steps);
  for (const auto& [name, output] : instance.record->outputs) {
    if (is_artifact(output.type) && !is_read(pipeline, run.step->name, name)) all.push_back(output);
  }
  return all;
}

}  // namespace jetcal::pipeline
