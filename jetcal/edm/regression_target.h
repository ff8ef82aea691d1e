// SPDX-License-Identifier: Apache-2.0
// The one definition of what the networks learn.
#pragma once

#include <cmath>
#include <cstdint>

#include "jetcal/edm/jet_columns.h"

namespace jetcal::edm {

/// Returns y = log(pt_gen / pt_reco), or 0 where pt_gen is not positive.
inline float regression_target(const JetView& jets, std::int64_t row) noexcept {
  const float pt_gen = jets.pt_gen[row];
  return pt_gen > 0 ? std::log(pt_gen / jets.pt_reco[row]) : 0.0F;
}

}  // namespace jetcal::edm
