// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kserve_environment.h"

#include "jetcal/pipeline/detail/json_field.h"

namespace jetcal::pipeline {
namespace {

using Mistakes = std::vector<std::string>;

constexpr const char* kBlocked = "PYTHONPATH";  // brings foreign code into KServe's servers

// The entry of a variable; null where it is not set.
const Json* find_variable(const Json& container, const std::string& name) {
  for (const Json& variable : field_at(container, "env")) {
    if (text_of(field_at(variable, "name")) == name) return &variable;
  }
  return nullptr;
}

void check_blocked(const std::string& path, const Json& container, Mistakes& mistakes) {
  if (find_variable(container, kBlocked) != nullptr)
    mistakes.push_back(path + ".env: KServe lets no container set " + kBlocked);
}

// Containers and initContainers of a pod.
void check_pod(const std::string& path, const Json& pod, Mistakes& mistakes) {
  for (const char* group : {"containers", "initContainers"}) {
    for (const Json& container : field_at(pod, group))
      check_blocked(std::string(path).append(".").append(group), container, mistakes);
  }
}

void check_sizes(const std::string& path, const Json& container, Mistakes& mistakes) {
  for (const char* name : {"PIPELINE_PARALLEL_SIZE", "TENSOR_PARALLEL_SIZE"}) {
    if (find_variable(container, name) != nullptr)
      mistakes.push_back(path + ".env cannot have " + name +
                         " beside workerSpec, whose fields say it");
  }
}

}  // namespace

const Json& variable_of(const Json& container, const std::string& name) {
  static const Json kNone;
  const Json* const variable = find_variable(container, name);
  return variable == nullptr ? kNone : field_at(*variable, "value");
}

Mistakes service_variable_mistakes(const Json& service) {
  Mistakes mistakes;
  for (const char* name : {"predictor", "transformer", "explainer"}) {
    const Json& part = field_at(service, std::string("spec.") + name);
    if (!part.is_object()) continue;
    const std::string path = std::string("spec.") + name;
    check_pod(path, part, mistakes);
    // What serves a model is a container too, under the name of its framework.
    for (const auto& [field, value] : part.items()) {
      if (value.is_object() && field != "workerSpec")
        check_blocked(std::string(path).append(".").append(field), value, mistakes);
    }
  }
  const Json& workers = field_at(service, "spec.predictor.workerSpec");
  if (!workers.is_object()) return mistakes;
  check_pod("spec.predictor.workerSpec", workers, mistakes);
  check_sizes("spec.predictor.model", field_at(service, "spec.predictor.model"), mistakes);
  return mistakes;
}

Mistakes runtime_variable_mistakes(const Json& runtime) {
  Mistakes mistakes;
  const Json& workers = field_at(runtime, "spec.workerSpec");
  for (const Json& container : field_at(runtime, "spec.containers")) {
    check_blocked("spec.containers", container, mistakes);
    if (workers.is_object() && text_of(field_at(container, "name")) == "kserve-container")
      check_sizes("spec.containers", container, mistakes);
  }
  for (const Json& container : field_at(workers, "containers"))
    check_blocked("spec.workerSpec.containers", container, mistakes);
  return mistakes;
}

}  // namespace jetcal::pipeline
