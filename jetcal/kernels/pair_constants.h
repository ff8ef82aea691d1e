// SPDX-License-Identifier: Apache-2.0
// Numbers that define the pair quantities; no containers, for files with vector instructions.
#pragma once

#include <cstdint>

namespace jetcal::kernels {

/// Columns of a particle's momentum: ln pT, distance from the jet in eta and in phi.
inline constexpr std::int64_t kMomentumColumns = 3;
/// ln dR, ln kT, ln z and ln m^2, as in the Particle Transformer.
inline constexpr std::int64_t kPairQuantities = 4;
/// Added to squared distances: particles closer than 0.001 are one to a calorimeter, and coincident
/// ones have no logarithm.
inline constexpr float kSmallestSquaredDistance = 1e-6F;

}  // namespace jetcal::kernels
