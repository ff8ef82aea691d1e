// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/worker_group.h"

#include <cstring>

namespace jetcal::train {

void WorkerGroup::broadcast(std::vector<float>& values) const {
  if (alone()) return;
  std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  workers_->broadcast(bytes);
  values.resize(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
}

}  // namespace jetcal::train
