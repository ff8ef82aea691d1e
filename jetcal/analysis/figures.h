// SPDX-License-Identifier: Apache-2.0
// Chooses the figures of an analysis and fills them with its numbers.
#pragma once

#include <string>
#include <vector>

#include "jetcal/analysis/figure.h"
#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis {

/// Makes, for each region: resolution against pt_gen with its ratio to the baseline, beta, median
/// response, response distributions, medians by flavor, flavor residuals, alpha, median response
/// against pileup with its slopes; and once the spectrum and the target. alpha and beta need a
/// second corrector, pileup a sample that has it. Numbers of too few jets are not drawn; the report
/// has them.
std::vector<Figure> make_figures(const Analysis& analysis);

}  // namespace jetcal::analysis
