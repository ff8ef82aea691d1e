// SPDX-License-Identifier: Apache-2.0
// Chooses the figures of an analysis and fills them with its numbers.
#pragma once

#include <string>
#include <vector>

#include "jetcal/analysis/figure.h"
#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis {

/// Makes, for each region: the resolution against pt_gen with its ratio to the baseline, the median
/// response against pt_gen, the median response by flavor, the response distributions, and the
/// flavor residual uds - g against pt_gen. Bins with too few jets are not drawn; the report has
/// them.
std::vector<Figure> make_figures(const Analysis& analysis);

}  // namespace jetcal::analysis
