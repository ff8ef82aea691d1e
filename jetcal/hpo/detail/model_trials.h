// SPDX-License-Identifier: Apache-2.0
// Which trials a model works on whose cost grows with their square or cube.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "jetcal/hpo/detail/sampler.h"

namespace jetcal::hpo::detail {

struct ModelTrials {
  std::vector<std::size_t> places;  ///< In the view, ascending.
  std::int64_t left_out = 0;
};

/// Chooses from the trials that are known or failed: of more than `most` the best known ones for
/// one half, and for the other the latest of the rest.
ModelTrials model_trials(const View& view, std::size_t most);

}  // namespace jetcal::hpo::detail
