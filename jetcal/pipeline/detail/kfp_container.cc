// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_container.h"

#include <algorithm>

#include "jetcal/pipeline/detail/kfp_text.h"
#include "jetcal/pipeline/pipeline_file.h"

namespace jetcal::pipeline {
namespace {

std::string text(const Node& node, const char* name) {
  const Node* found = node.find(name);
  return found == nullptr ? "" : found->text;
}

void read_command(const Node& container, Step& step, const std::string& source_) {
  for (const char* name : {"command", "args"}) {
    const Node* words = container.find(name);
    if (words == nullptr) continue;
    for (const Node& word : words->items) {
      for (Word& one : read_kfp_word(word.text, step, source_, word.at))
        step.command.push_back(std::move(one));
    }
  }
  if (step.command.empty())
    fail_at(source_, container.at, "the step '", step.name,
            "' has no command: its image's entry point cannot run here");
  const Node* variables = container.find("env");
  if (variables == nullptr) return;
  for (const Node& variable : variables->items)
    step.environment[text(variable, "name")] = {{Fragment::Kind::Text, text(variable, "value")}};
}

Resources resources_of(const Node& node) {
  Resources resources;
  constexpr double kGigabyte = 1e9;
  const auto number = [&node](const char* name) {
    const Node* found = node.find(name);
    return found == nullptr ? 0.0 : to_json(*found).get<double>();
  };
  if (const std::string cores = text(node, "resourceCpuLimit"); !cores.empty()) {
    resources.cores = parse_cores(cores);
  } else if (number("cpuLimit") > 0) {
    resources.cores = number("cpuLimit");
  }
  if (const std::string memory = text(node, "resourceMemoryLimit"); !memory.empty()) {
    resources.memory = parse_memory(memory);
  } else {
    resources.memory = static_cast<std::int64_t>(number("memoryLimit") * kGigabyte);
  }
  if (const Node* accelerator = node.find("accelerator")) {
    const std::string count = text(*accelerator, "resourceCount").empty()
                                  ? text(*accelerator, "count")
                                  : text(*accelerator, "resourceCount");
    resources.gpus = static_cast<std::int64_t>(parse_cores(count.empty() ? "1" : count));
  }
  return resources;
}

}  // namespace

void read_kfp_container(const Node& container, Step& step, const std::string& source) {
  read_command(container, step, source);
  if (const Node* resources = container.find("resources"))
    step.resources = resources_of(*resources);
}

void read_kfp_options(const Node& task, Step& step) {
  const Node* caching = task.find("cachingOptions");
  const Node* enabled = caching == nullptr ? nullptr : caching->find("enableCache");
  step.cache = enabled != nullptr && to_json(*enabled) == Json(true);
  const Node* retry = task.find("retryPolicy");
  if (retry == nullptr) return;
  if (const Node* limit = retry->find("maxRetryCount"))
    step.retries.limit = to_json(*limit).get<int>();
  if (const Node* delay = retry->find("backoffDuration"))
    step.retries.delay = parse_duration(delay->text);
  if (const Node* factor = retry->find("backoffFactor"))
    step.retries.factor = std::max(1.0, to_json(*factor).get<double>());
  if (const Node* most = retry->find("backoffMaxDuration"))
    step.retries.max_delay = parse_duration(most->text);
}

}  // namespace jetcal::pipeline
