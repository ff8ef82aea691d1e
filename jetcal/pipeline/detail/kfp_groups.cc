// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_groups.h"

namespace jetcal::pipeline {

void KfpGroups::resolve(Source& from, Position at, const std::string& source) const {
  while (from.kind == Source::Kind::Step && members_.count(from.step) != 0) {
    const auto given = outputs_.find({from.step, from.name});
    if (given == outputs_.end())
      fail_at(source, at, "the task '", from.step, "' gives no output '", from.name,
              "', or chooses it among several (dsl.OneOf), which does not run here");
    from.step = given->second.first;
    from.name = given->second.second;
  }
}

void KfpGroups::add_steps(const std::string& name, std::vector<std::string>& steps) const {
  const auto group = members_.find(name);
  if (group == members_.end()) {
    steps.push_back(name);
    return;
  }
  for (const std::string& member : group->second) add_steps(member, steps);
}

void KfpGroups::resolve(Pipeline& pipeline) const {
  for (Step& step : pipeline.steps) {
    for (InputPort& port : step.inputs) resolve(port.source, port.at, pipeline.source);
    if (step.fan_out && step.fan_out->source)
      resolve(*step.fan_out->source, step.fan_out->at, pipeline.source);
    std::vector<std::string> before;
    for (const std::string& name : step.after) add_steps(name, before);
    step.after = std::move(before);
  }
}

}  // namespace jetcal::pipeline
