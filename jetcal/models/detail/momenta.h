// SPDX-License-Identifier: Apache-2.0
// Takes the particles' momenta, as attention wants them, out of their features.
#pragma once

#include <span>

#include "jetcal/kernels/pair_constants.h"
#include "jetcal/models/model_config.h"

namespace jetcal::models::detail {

static_assert(kMomentumFeatures.size() == kernels::kMomentumColumns);

/// Shapes: particles [P, features] as they come, before standardisation; momenta [P, 3].
inline void take_momenta(std::span<const float> particles, std::span<float> momenta) {
  const std::int64_t rows = std::ssize(momenta) / kernels::kMomentumColumns;
  if (rows == 0) return;
  const std::int64_t width = std::ssize(particles) / rows;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t c = 0; c < kernels::kMomentumColumns; ++c) {
      momenta[row * kernels::kMomentumColumns + c] =
          edm::bounded_feature(particles[row * width + kMomentumFeatures[c]]);
    }
  }
}

}  // namespace jetcal::models::detail
