// SPDX-License-Identifier: Apache-2.0
// The figures on flavor: medians by flavor, residuals against pt_gen, alpha.
#pragma once

#include <vector>

#include "jetcal/analysis/figure.h"
#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis::detail {

std::vector<Figure> flavor_figures(const Analysis& analysis, int region);

}  // namespace jetcal::analysis::detail
