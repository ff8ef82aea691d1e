// SPDX-License-Identifier: Apache-2.0
// Tables of an analysis. A star marks numbers of too few jets, a hash rows that a threshold on
// pt_reco biases, a dash numbers that cannot be had.
#pragma once

#include <vector>

#include "jetcal/analysis/response_analysis.h"
#include "jetcal/analysis/table.h"

namespace jetcal::analysis {

/// Lays out how many jets were read, used and left out, and why.
Table counts_table(const Analysis& analysis);

/// Lays out the loss of every corrector with its gain over the baseline.
Table loss_table(const Analysis& analysis);

/// Lays out alpha and beta in percent for every range and region, as the paper's table 4 does.
Table gain_table(const Analysis& analysis);

/// Lays out the same as two tables, for a narrow screen or many correctors.
std::vector<Table> gain_tables(const Analysis& analysis);

/// Lays out median responses by flavor and their sum of absolute errors in one range.
Table flavor_table(const Analysis& analysis, int range);

/// Lays out numbers of jets, medians and resolutions for every range and region.
Table range_table(const Analysis& analysis);

/// Lays out jets, median, resolution, alpha and beta of both regions together.
Table both_regions_table(const Analysis& analysis);

/// Lays out the differences of flavor medians for every range and region.
Table residual_table(const Analysis& analysis);

/// Lays out the slopes of the median response in percent per unit of each pileup variable; one
/// table for each variable that the sample has.
std::vector<Table> pileup_tables(const Analysis& analysis);

/// Lays out median and resolution in every bin of pt_gen of a region.
Table bin_table(const Analysis& analysis, int region);

}  // namespace jetcal::analysis
