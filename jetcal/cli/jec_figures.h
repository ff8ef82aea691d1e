// SPDX-License-Identifier: Apache-2.0
// Figures of derived corrections and of their closure.
#pragma once

#include <vector>

#include "jetcal/analysis/figure.h"
#include "jetcal/jec/closure.h"
#include "jetcal/jec/derive.h"

namespace jetcal::cli {

/// Makes the median response against pt_gen, eta_gen, pileup and rho. Bins with too few jets are
/// not drawn; closure.json has them.
std::vector<analysis::Figure> closure_figures(const jec::Closure& closure);

/// Makes the offset per area against |eta|, and the response after L1 against pt_gen.
std::vector<analysis::Figure> derivation_figures(const jec::Derivation& derivation);

}  // namespace jetcal::cli
