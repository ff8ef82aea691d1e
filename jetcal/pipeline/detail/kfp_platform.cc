// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_platform.h"

#include "jetcal/pipeline/pipeline_file.h"

namespace jetcal::pipeline {
namespace {

const Node* executors_of(const Node* platform) {
  const Node* node = platform;
  for (const char* name : {"platforms", "kubernetes", "deploymentSpec", "executors"})
    node = node == nullptr ? nullptr : node->find(name);
  return node;
}

}  // namespace

void read_kfp_platform(const Node* platform, const std::string& label, Step& step,
                       const std::string& source) {
  const Node* executors = executors_of(platform);
  const Node* executor = executors == nullptr ? nullptr : executors->find(label);
  if (executor == nullptr) return;
  if (const Node* limit = executor->find("activeDeadlineSeconds"))
    step.time_limit = parse_at(source, *limit, parse_duration);
  const Node* secrets = executor->find("secretAsEnv");
  if (secrets == nullptr) return;
  for (const Node& secret : secrets->items) {
    const Node* pairs = secret.find("keyToEnv");
    if (pairs == nullptr) continue;
    for (const Node& pair : pairs->items) step.pass.push_back(field_text(pair, "envVar"));
  }
}

std::vector<std::string> kfp_claim_mounts(const Node* platform) {
  std::vector<std::string> places;
  const Node* executors = executors_of(platform);
  if (executors == nullptr) return places;
  for (const Field& executor : executors->fields) {
    const Node* mounts = executor.value.find("pvcMount");
    if (mounts == nullptr) continue;
    for (const Node& mount : mounts->items) {
      const std::string place = field_text(mount, "mountPath");
      if (!place.empty()) places.push_back(place.back() == '/' ? place : place + "/");
    }
  }
  return places;
}

std::string path_on_claim(const std::vector<std::string>& mounts, const std::string& path) {
  for (const std::string& mount : mounts) {
    if (path.rfind(mount, 0) == 0) return path.substr(mount.size());
  }
  return "";
}

}  // namespace jetcal::pipeline
