// SPDX-License-Identifier: Apache-2.0
// What must hold for a task of kfp to run: its own condition, and those of the DAGs around it.
#pragma once

#include <string>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

struct KfpGuard {
  std::string text;  ///< In our own writing, over `inputs`; "" holds always.
  std::vector<InputPort> inputs;

  /// Adds a condition and the inputs that it names. Each DAG has names of its own: an input whose
  /// name stands for something else here gets `prefix` in front.
  void add(std::string condition, std::vector<InputPort> more, const std::string& prefix);
};

}  // namespace jetcal::pipeline
