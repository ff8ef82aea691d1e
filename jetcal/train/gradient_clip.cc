// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/gradient_clip.h"

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"

namespace jetcal::train {

void validate(const ClipOptions& options) {
  const auto require_positive = [](const char* field, const std::optional<double>& value) {
    if (value && !(*value > 0 && std::isfinite(*value)))
      fail(ErrorCode::InvalidArgument, field, " must be positive, got ", *value);
  };
  require_positive("training.clip_norm", options.norm);
  require_positive("training.clip_value", options.value);
}

namespace {

bool clip_values(float bound, std::span<float> gradient) {
  bool changed = false;
  for (float& entry : gradient) {
    const float bounded = std::clamp(entry, -bound, bound);
    changed |= bounded != entry;
    entry = bounded;
  }
  return changed;
}

// Four sums keep the processor's adders busy; their order is fixed.
double squared_length(std::span<const float> values) {
  double sums[4] = {};
  const std::size_t whole = values.size() / 4 * 4;
  for (std::size_t i = 0; i < whole; i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      const double value = values[i + lane];
      sums[lane] += value * value;
    }
  }
  for (std::size_t i = whole; i < values.size(); ++i)
    sums[0] += static_cast<double>(values[i]) * values[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

bool clip_length(double bound, std::span<float> gradient) {
  constexpr double kPyTorchsEpsilon = 1e-6;
  const double scale = bound / (std::sqrt(squared_length(gradient)) + kPyTorchsEpsilon);
  if (scale >= 1) return false;
  for (float& entry : gradient) entry *= static_cast<float>(scale);
  return true;
}

}  // namespace

bool clip(const ClipOptions& options, std::span<float> gradient) {
  bool changed = false;
  if (options.value) changed |= clip_values(static_cast<float>(*options.value), gradient);
  if (options.norm) changed |= clip_length(*options.norm, gradient);
  return changed;
}

}  // namespace jetcal::train
