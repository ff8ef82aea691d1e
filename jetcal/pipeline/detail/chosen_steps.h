// SPDX-License-Identifier: Apache-2.0
// Which steps of a pipeline a run is asked for.
#pragma once

#include <set>
#include <string>

#include "jetcal/pipeline/runner.h"

namespace jetcal::pipeline {

/// Reads from, until and force of the options of a run.
class ChosenSteps {
 public:
  /// Throws InvalidArgument for a step that the pipeline does not have, and for one that is to run
  /// and asks for more memory or GPUs than the run has.
  ChosenSteps(const Pipeline& pipeline, const RunOptions& options);

  /// It comes after --until, or beside it.
  bool left_out(const Step& step) const;
  /// It comes before --from, and is taken as it was last.
  bool kept(const Step& step) const;
  bool forced(const Step& step) const;

 private:
  const Pipeline& pipeline_;
  const RunOptions& options_;
  std::set<std::string> wanted_;  // --until, and what it needs
  std::set<std::string> later_;   // --from, and what needs it
};

}  // namespace jetcal::pipeline
