// SPDX-License-Identifier: Apache-2.0
// jetcal simulate --validate: every number by which a sample is judged, beside its target.
#pragma once

#include <string>
#include <vector>

#include "jetcal/sim/correction.h"

namespace jetcal::cli {

struct ValidateOptions {
  std::vector<std::string> samples, calibrations;  ///< * and ? in the last component
  std::string compare;                             ///< a real PFNano file, or empty
  const sim::Correction* correction = nullptr;
  bool recorrect = false;  ///< corrects the sample's raw pT, too; else its jetPt is judged
};

/// Measures, prints a table or one JSON document, and returns the exit status: 7 when a target is
/// missed.
int validate(const ValidateOptions& options, bool json);

}  // namespace jetcal::cli
