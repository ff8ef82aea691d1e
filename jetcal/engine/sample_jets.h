// SPDX-License-Identifier: Apache-2.0
// Random jets for checks and benchmarks, with features in the ranges of real ones.
#pragma once

#include <cstdint>

#include "jetcal/edm/features.h"

namespace jetcal::engine {

/// Makes jets of min_particles to max_particles particles each (evenly spread); the same seed gives
/// the same jets.
edm::FeatureBatch sample_jets(std::int64_t num_jets, std::int64_t min_particles,
                              std::int64_t max_particles, std::uint64_t seed,
                              const edm::InputOptions& inputs = {});

}  // namespace jetcal::engine
