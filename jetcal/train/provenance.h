// SPDX-License-Identifier: Apache-2.0
// What a model file says about where its network comes from.
#pragma once

#include <map>
#include <string>

#include "jetcal/train/history.h"
#include "jetcal/train/options.h"

namespace jetcal::train {

/// Returns the provenance of a finished run; `identity` is that of its options and data.
///
/// Where JETCAL_STEP_KEY is set, as `jetcal pipeline` does it for its steps, "step" is its value,
/// by which `jetcal pipeline lineage` finds data files and commit.
std::map<std::string, std::string> provenance_of(const TrainOptions& options,
                                                 const nlohmann::json& identity,
                                                 const TrainResult& result);

}  // namespace jetcal::train
