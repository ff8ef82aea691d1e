// SPDX-License-Identifier: Apache-2.0
// The fits of one bin of |eta|.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/jec/derive.h"

namespace jetcal::jec::detail {

/// Joins neighbouring bins, from the first on, until each has at least `minimum` entries; a rest
/// that is too small joins the last. Returns first bins of the groups and, at the end,
/// counts.size().
std::vector<std::size_t> merge_bins(std::span<const std::int64_t> counts, std::int64_t minimum);

/// Rounds to ten significant digits, which is what files show.
double rounded(double value);

/// Returns edges of bins of the number of pileup collisions with about equally many jets. Throws
/// InvalidArgument when all jets have the same number.
std::vector<int> pileup_edges(const edm::CalibrationJets& jets, std::span<const std::int64_t> rows);

/// Fits the offset of `rows`, all in the bin `abs_eta` and matched with and without pileup.
OffsetFit fit_offset(const edm::CalibrationJets& jets, std::span<const std::int64_t> rows,
                     Range abs_eta, std::span<const int> pileup, const DeriveOptions& options);

/// Fits the response of `rows`, all in the bin `abs_eta` and matched; `gen_counts` holds how many
/// gen jets, matched or not, each bin of pt_gen_edges() has there.
ResponseFit fit_response(const edm::CalibrationJets& jets, std::span<const std::int64_t> rows,
                         Range abs_eta, const OffsetFit& offset,
                         std::span<const std::int64_t> gen_counts, const DeriveOptions& options);

/// Returns the finest bins of pt_gen for the response, GeV.
std::span<const double> pt_gen_edges();

}  // namespace jetcal::jec::detail
