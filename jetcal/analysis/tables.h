// SPDX-License-Identifier: Apache-2.0
// Tables of an analysis as text for a terminal.
#pragma once

#include <string>

#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis {

/// Lays out how many jets were read, used and left out, and why.
std::string counts_table(const Analysis& analysis);

/// Lays out the loss of every corrector with its gain over the baseline.
std::string loss_table(const Analysis& analysis);

/// Lays out median responses by flavor and their sum of absolute errors for pt_gen > 30 GeV.
std::string flavor_table(const Analysis& analysis);

/// Lays out alpha and beta in percent for every range and region. A star marks numbers of too few
/// jets, a dash numbers that cannot be had.
std::string gain_table(const Analysis& analysis);

}  // namespace jetcal::analysis
