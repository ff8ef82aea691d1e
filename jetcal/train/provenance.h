// SPDX-License-Identifier: Apache-2.0
// What a model file says about where its network comes from.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "jetcal/data/sample_origin.h"
#include "jetcal/train/history.h"
#include "jetcal/train/options.h"

namespace jetcal::train {

/// Returns the provenance of a finished run; `identity` is that of its options and data.
///
/// It names no folder of a machine, so that the same training elsewhere says the same: "data" is
/// the last part of the location, "data_manifest" and "data_inputs" are the origin's.
///
/// Where JETCAL_STEP_KEY is set, as `jetcal pipeline` does it for its steps, "step" is its value,
/// by which `jetcal pipeline lineage` finds data files and commit.
std::map<std::string, std::string> provenance_of(const TrainOptions& options,
                                                 const nlohmann::json& identity,
                                                 const TrainResult& result,
                                                 const std::optional<data::SampleOrigin>& origin);

}  // namespace jetcal::train
