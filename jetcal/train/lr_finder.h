// SPDX-License-Identifier: Apache-2.0
// The learning-rate range test (Smith): losses while the rate rises exponentially.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/train/jet_source.h"
#include "jetcal/train/network_pass.h"
#include "jetcal/train/options.h"

namespace jetcal::train {

/// Sets the range.
struct LrFinderOptions {
  double low = 1e-6, high = 1;
  std::int64_t steps = 100;
};

/// Reads "low,high,steps". Throws InvalidArgument for anything else, and unless 0 < low < high and
/// steps >= 10.
LrFinderOptions parse_lr_finder(std::string_view text);

/// Holds what the test saw. It ends early where the smoothed loss exceeds five times its best, or,
/// of a likelihood, where it is above its best by four times its largest size at best and at first.
struct LrFinderResult {
  std::vector<double> rates, losses, smoothed;  ///< Step by step.
  bool diverged = false;
  double lowest_rate = 0;  ///< Where the smoothed loss is lowest.
  /// Where it falls fastest over the logarithm of the rate, before that and after a tenth of all.
  double steepest = 0;
  /// The steepest point, or a tenth of the lowest one where the loss never falls.
  double suggestion = 0;
};

/// Chooses the three rates from rates and losses; exponential smoothing keeps 0.95 a step,
/// corrected for its start.
void judge(LrFinderResult& result);

/// Trains from the options' first weights with a rate that rises from step to step, over as many
/// passes as the steps need. Schedules do not count, all else does. Writes nothing.
///
/// Throws Cancelled when `should_stop` (may be empty) says so, and what train() throws about
/// options and jets.
LrFinderResult find_learning_rate(const TrainOptions& options, const JetSources& sources,
                                  const LrFinderOptions& finder,
                                  const std::function<bool()>& should_stop = {},
                                  const NetworkPassFactory& pass = {});

nlohmann::ordered_json to_json(const LrFinderResult& result);

}  // namespace jetcal::train
