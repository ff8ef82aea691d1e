// SPDX-License-Identifier: Apache-2.0
// Clips features to the bounds of a model before anything else is done with them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "jetcal/edm/features.h"

namespace jetcal::models {

/// Writes rows of features to y, each within its own bounds; NaN stays NaN. Without bounds (both
/// empty) they are those of edm::bounded_feature().
///
/// Shapes: x [R, C], low and high [C] or empty, y as x; y may be x.
inline void bound_features(std::span<const float> x, std::span<const float> low,
                           std::span<const float> high, float* y) {
  if (low.empty()) {
    std::transform(x.begin(), x.end(), y, edm::bounded_feature);
    return;
  }
  const std::size_t channels = low.size();
  for (std::size_t row = 0; row < x.size(); row += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      const float value = x[row + c];
      y[row + c] = value > high[c] ? high[c] : value < low[c] ? low[c] : value;
    }
  }
}

}  // namespace jetcal::models
