// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/weight_average.h"

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"

namespace jetcal::train {

void validate(const AverageOptions& options) {
  if (!(options.decay >= 0 && options.decay < 1)) {
    fail(ErrorCode::InvalidArgument, "training.ema_decay must be in [0, 1), got ", options.decay);
  }
  if (options.start_step < 0) {
    fail(ErrorCode::InvalidArgument, "training.ema_start_step must not be negative, got ",
         options.start_step);
  }
}

void update_average(const AverageOptions& options, std::int64_t step,
                    std::span<const float> weights, std::vector<float>& average) {
  if (step <= 1 || step <= options.start_step || average.size() != weights.size()) {
    average.assign(weights.begin(), weights.end());
    return;
  }
  constexpr std::int64_t kGrain = 16384;
  const auto part = static_cast<float>(1 - options.decay);
  parallel_for(std::ssize(weights), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) average[i] += part * (weights[i] - average[i]);
  });
}

}  // namespace jetcal::train
