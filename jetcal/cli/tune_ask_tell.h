// SPDX-License-Identifier: Apache-2.0
// `jetcal tune ask-tell`: a search algorithm for programs that run trials themselves.
#pragma once

#include <functional>
#include <istream>
#include <ostream>

#include "jetcal/cli/verb.h"
#include "jetcal/hpo/algorithm.h"

namespace jetcal::cli {

/// Answers requests, one JSON document a line each way, until the input ends:
///
///     {"op": "ask"} -> {"trial": 0, "resume": false, "values": {...}, "budget": 0, "last": true,
///                       "bracket": 0, "cpu_seconds": 1e-5}; {"trial": null} where none makes sense
///     {"op": "add", "values": {...}} -> {"trial": 1}: a running trial chosen elsewhere
///     {"op": "report", "trial": 0, "resource": 3, "objectives": [0.5]} -> {"stop": false}
///     {"op": "tell", "trial": 0, "objectives": [0.5], "constraints": [-1]} -> {"trial": 0}
///     {"op": "tell", "trial": 0, "state": "paused"}: or stopped, failed
///
/// A line that cannot be answered gets {"error": "..."} and changes nothing.
void serve_ask_tell(const hpo::SearchSpace& space, const std::vector<hpo::Objective>& objectives,
                    hpo::Algorithm& algorithm, const hpo::Algorithm* early_stopping,
                    std::istream& in, std::ostream& out);

/// Adds the sub-verb to `tune`; the function runs it.
std::function<int()> add_ask_tell(CLI::App& ask_tell, const CommonOptions& common);

}  // namespace jetcal::cli
