// SPDX-License-Identifier: Apache-2.0
// The figures on pileup: median response against its measures, and the slopes.
#pragma once

#include <vector>

#include "jetcal/analysis/figure.h"
#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis::detail {

std::vector<Figure> pileup_figures(const Analysis& analysis, int region);

}  // namespace jetcal::analysis::detail
