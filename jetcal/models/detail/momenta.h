// SPDX-License-Identifier: Apache-2.0
// Takes the particles' momenta, as attention wants them, out of their features.
#pragma once

#include <span>

#include "jetcal/kernels/pair_constants.h"
#include "jetcal/models/model_config.h"

namespace jetcal::models::detail {

static_assert(kMomentumFeatures.size() == kernels::kMomentumColumns);

/// Shapes: particles [P, 6] as they come, before standardisation; momenta [P, 3].
inline void take_momenta(std::span<const float> particles, std::span<float> momenta) {
  const std::int64_t rows = std::ssize(particles) / edm::kNumParticleFeatures;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t c = 0; c < kernels::kMomentumColumns; ++c) {
      momenta[row * kernels::kMomentumColumns + c] =
          edm::bounded_feature(particles[row * edm::kNumParticleFeatures + kMomentumFeatures[c]]);
    }
  }
}

}  // namespace jetcal::models::detail
