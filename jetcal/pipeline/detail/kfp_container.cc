// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_container.h"

#include <algorithm>

#include "jetcal/pipeline/detail/kfp_text.h"
#include "jetcal/pipeline/pipeline_file.h"

namespace jetcal::pipeline {
namespace {

void read_command(const Node& container, Step& step, const std::string& source) {
  std::vector<Node> texts;
  for (const char* name : {"command", "args"}) {
    if (const Node* words = container.find(name))
      texts.insert(texts.end(), words->items.begin(), words->items.end());
  }
  step.command = read_kfp_words(texts, step, source);
  if (step.command.empty())
    fail_at(source, container.at, "the step '", step.name,
            "' has no command: its image's entry point cannot run here");
  const Node* variables = container.find("env");
  if (variables == nullptr) return;
  for (const Node& variable : variables->items)
    step.environment[field_text(variable, "name")] = {
        {Fragment::Kind::Text, field_text(variable, "value")}};
}

// The first of two fields, the newer one before the older one.
const Node* either(const Node& node, const char* newer, const char* older) {
  const Node* found = node.find(newer);
  return found != nullptr && !found->text.empty() ? found : node.find(older);
}

Resources resources_of(const Node& node, const std::string& source) {
  Resources resources;
  if (const Node* cores = either(node, "resourceCpuLimit", "cpuLimit"))
    resources.cores = parse_at(source, *cores, parse_cores);
  if (const Node* memory = node.find("resourceMemoryLimit")) {
    resources.memory = parse_at(source, *memory, parse_memory);
  } else if (const Node* gigabytes = node.find("memoryLimit")) {
    resources.memory = parse_at(source, *gigabytes,
                                [](const std::string& text) { return parse_memory(text + "G"); });
  }
  if (const Node* accelerator = node.find("accelerator")) {
    resources.gpus = 1;
    if (const Node* count = either(*accelerator, "resourceCount", "count"))
      resources.gpus = static_cast<std::int64_t>(parse_at(source, *count, parse_cores));
  }
  return resources;
}

}  // namespace

void read_kfp_container(const Node& container, Step& step, const std::string& source) {
  read_command(container, step, source);
  if (const Node* resources = container.find("resources"))
    step.resources = resources_of(*resources, source);
}

void read_kfp_options(const Node& task, Step& step, const std::string& source) {
  const Node* caching = task.find("cachingOptions");
  const Node* enabled = caching == nullptr ? nullptr : caching->find("enableCache");
  step.cache = enabled != nullptr && to_json(*enabled) == Json(true);
  const Node* retry = task.find("retryPolicy");
  if (retry == nullptr) return;
  if (const Node* limit = retry->find("maxRetryCount")) {
    constexpr double kMost = 1000;
    const double count = number_at(source, *limit, "the maxRetryCount");
    step.retries.limit = static_cast<int>(std::clamp(count, 0.0, kMost));
  }
  if (const Node* delay = retry->find("backoffDuration"))
    step.retries.delay = parse_at(source, *delay, parse_duration);
  if (const Node* factor = retry->find("backoffFactor"))
    step.retries.factor = std::max(1.0, number_at(source, *factor, "the backoffFactor"));
  if (const Node* most = retry->find("backoffMaxDuration"))
    step.retries.max_delay = parse_at(source, *most, parse_duration);
}

}  // namespace jetcal::pipeline
