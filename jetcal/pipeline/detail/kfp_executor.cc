// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_executor.h"

#include <algorithm>

#include "jetcal/pipeline/detail/container_command.h"
#include "jetcal/pipeline/detail/kfp_text.h"

namespace jetcal::pipeline {
namespace {

Placeholders placeholders(const Pipeline& pipeline, const Step& step, const KfpPlaces& places) {
  Placeholders names;
  names.parameter = [](const std::string& name) {
    return "{{$.inputs.parameters['" + name + "']}}";
  };
  names.input = [&places](const InputPort& port) {
    return places.is_parameter(port) ? "{{$.inputs.parameters['" + port.name + "']}}"
                                     : "{{$.inputs.artifacts['" + port.name + "'].path}}";
  };
  names.output = [](const OutputPort& port) {
    return is_artifact(port.type) ? "{{$.outputs.artifacts['" + port.name + "'].path}}"
                                  : "{{$.outputs.parameters['" + port.name + "'].output_file}}";
  };
  names.item = [](const std::string& field) {
    return "{{$.inputs.parameters['" + kfp_item_input(field) + "']}}";
  };
  // A placeholder of an artefact is the first one of a list; all of them are in the whole alone.
  names.gathered = [](const InputPort&) { return "{{$}}"; };
  names.gathering = gathering_inputs(pipeline, step);
  return names;
}

Json resources(const Resources& wanted) {
  Json resources = {{"cpuLimit", wanted.cores}, {"resourceCpuLimit", cores_text(wanted.cores)}};
  if (wanted.memory > 0) {
    resources["memoryLimit"] = static_cast<double>(wanted.memory) / 1e9;
    resources["resourceMemoryLimit"] = memory_text(wanted.memory);
  }
  if (wanted.gpus > 0)
    resources["accelerator"] = {{"count", std::to_string(wanted.gpus)},
                                {"resourceCount", std::to_string(wanted.gpus)},
                                {"resourceType", "nvidia.com/gpu"},
                                {"type", "nvidia.com/gpu"}};
  return resources;
}

}  // namespace

Json write_kfp_container(const Pipeline& pipeline, const Step& step, const KfpPlaces& places,
                         const RenderOptions& options) {
  const Placeholders names = placeholders(pipeline, step, places);
  std::vector<std::string> line = container_command(step, names);
  Json container;
  container["image"] = !step.image.empty()       ? step.image
                       : !pipeline.image.empty() ? pipeline.image
                                                 : options.image;
  std::vector<std::string> variables;  // with placeholders, which kfp replaces in commands alone
  for (const auto& [name, word] : step.environment) {
    const std::string value = container_word(step, word, names);
    if (value.find("{{$") == std::string::npos) {
      container["env"].push_back({{"name", name}, {"value", value}});
    } else {
      variables.push_back(std::string(name).append("=").append(value));
    }
  }
  if (!variables.empty()) {
    variables.insert(variables.begin(), "env");
    line.insert(line.begin(), variables.begin(), variables.end());
  }
  container["command"] = {line.front()};
  container["args"] = std::vector<std::string>(line.begin() + 1, line.end());
  container["resources"] = resources(step.resources);
  return container;
}

Json write_kfp_platform(const Step& step, const KfpPlaces& places, const RenderOptions& options) {
  Json platform = Json::object();
  Json pairs = Json::array();
  for (const std::string& name : step.pass)
    pairs.push_back({{"envVar", name}, {"secretKey", name}});
  if (!pairs.empty())
    platform["secretAsEnv"] = Json::array({{{"keyToEnv", pairs}, {"secretName", options.secret}}});
  if (std::any_of(step.inputs.begin(), step.inputs.end(),
                  [&places](const InputPort& port) { return places.on_claim(port); })) {
    Json mount = {{"constant", options.claim}, {"mountPath", kClusterMount}};
    mount["pvcNameParameter"]["runtimeValue"]["constant"] = options.claim;
    platform["pvcMount"] = Json::array({mount});
  }
  if (step.time_limit > 0) platform["activeDeadlineSeconds"] = whole_seconds(step.time_limit);
  return platform;
}

}  // namespace jetcal::pipeline
