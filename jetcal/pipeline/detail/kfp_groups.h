// SPDX-License-Identifier: Apache-2.0
// Tasks of kfp that are DAGs of their own: conditions, loops, pipelines within pipelines.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// Remembers who stands in a DAG and what it gives, so that others can refer to it before it is
/// read; our graph knows steps alone.
class KfpGroups {
 public:
  void add_member(const std::string& group, const std::string& step) {
    members_[group].push_back(step);
  }
  /// `group` gives as `output` what `step`, a step or a group of its own, gives as `inner`.
  void add_output(const std::string& group, const std::string& output, const std::string& step,
                  const std::string& inner) {
    outputs_[{group, output}] = {step, inner};
  }
  /// Puts steps in the place of groups, in inputs, loops and orders. Throws with the place for an
  /// output that a group does not give.
  void resolve(Pipeline& pipeline) const;

 private:
  void resolve(Source& from, Position at, const std::string& source) const;
  void add_steps(const std::string& name, std::vector<std::string>& steps) const;

  std::map<std::string, std::vector<std::string>> members_;
  std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> outputs_;
};

}  // namespace jetcal::pipeline
