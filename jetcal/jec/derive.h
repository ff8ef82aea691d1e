// SPDX-License-Identifier: Apache-2.0
// Derives L1FastJet and L2Relative from simulated jets.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "jetcal/edm/calibration_jets.h"

namespace jetcal::jec {

struct Range {
  double low = 0, high = 0;
};

/// Pileup offset of jets in a bin of |eta|, as CMS writes it: the factor on the raw pT is
/// max(0.0001, 1 - (area / pt) density (rho - rho_zero) (1 + log_slope ln(pt / 15))), with the
/// arguments clamped to their ranges.
struct OffsetFit {
  Range abs_eta;
  Range rho{0, 70}, pt{1, 6500}, area{0, 10};
  double rho_zero = 0, density = 0, log_slope = 0;
  double rho_zero_error = 0, density_error = 0, log_slope_error = 0;
  double chi2 = 0;
  std::int64_t jets = 0;           ///< With a partner in the event without pileup.
  std::int64_t cells = 0;          ///< In pt_gen and pileup; each gives one point.
  std::int64_t skipped_cells = 0;  ///< With too few jets for a point.
  bool no_offset = false;          ///< No pileup dependence found: density is 0.

  double factor(double rho_value, double pt_value, double area_value) const noexcept;
};

/// One bin of pt_gen, measured with the final correction.
struct ResponsePoint {
  double pt_gen;    ///< Median, GeV.
  double pt_l1;     ///< Median response times pt_gen, GeV.
  double response;  ///< Median of pt_l1 / pt_gen.
  double error;     ///< Of the response.
  double closure;   ///< Median of the corrected pt / pt_gen.
  std::int64_t jets;
  double matched_part;  ///< Jets of the bin that have a reconstructed partner, of all.
};

/// L2 factor of jets in a bin of |eta|: a polynomial in log10(pt / 100), pt after L1 and clamped.
struct ResponseFit {
  Range abs_eta;
  Range pt;
  std::vector<double> coefficients;
  double chi2 = 0;
  std::int64_t jets = 0;
  std::int64_t merged_bins = 0;     ///< Bins of pt_gen that were joined to a neighbour.
  std::int64_t not_invertible = 0;  ///< Lowest bins left out: pt_l1 did not rise with pt_gen.
  std::vector<double> changes;      ///< Largest change of the factor in each iteration.
  std::vector<ResponsePoint> points;
  std::vector<Range> errors;  ///< pt after L1, and the relative error of the factor there.

  double factor(double pt_value) const noexcept;
};

struct DeriveOptions {
  std::int64_t min_jets_eta = 4000;    ///< Bins of |eta| with fewer jets are joined.
  std::int64_t min_jets_pt = 150;      ///< Bins of pt_gen (L2) with fewer are joined.
  std::int64_t min_jets_cell = 40;     ///< Cells of L1 with fewer are skipped.
  double pt_gen_min = 10;              ///< GeV; jets below are not used.
  double trim = 0.1;                   ///< Part of the offsets cut off at each end.
  int iterations = 3;                  ///< Of the L2 factor, at least 2.
  int min_degree = 2, max_degree = 8;  ///< Of the polynomial.
  std::function<void(std::int64_t done, std::int64_t total)> on_progress;  ///< Bins of |eta|.
};

/// Counts every jet once: jets = below_pt_gen + unmatched + outside_eta + used.
struct DerivationCounts {
  std::int64_t jets = 0, below_pt_gen = 0, unmatched = 0, outside_eta = 0, used = 0;
  std::int64_t without_partner = 0;  ///< Used for L2, but not for L1: none without pileup.
  std::int64_t eta_bins = 0, merged_eta_bins = 0;
};

struct Derivation {
  std::vector<OffsetFit> offset;      ///< By ascending |eta|, without gaps.
  std::vector<ResponseFit> response;  ///< Same bins.
  DerivationCounts counts;
};

/// Derives both corrections; numbers are rounded to the digits that files show. Deterministic, on
/// several threads.
///
/// L1: jets are matched to the same collision without pileup. Cells are bins of pt_gen and of the
/// number of pileup collisions, not of pt_raw and rho, whose fluctuations would bias the cells; the
/// trimmed mean of the offset per area is fitted against the cell's mean rho and mean
/// ln(pt_raw / 15). Most of an offset's distribution is a core with a tail from overlapping pileup
/// jets. The mean follows the tail; the median misses the part of it that shifts the response of
/// jets that are smeared more than the core is wide.
///
/// L2: median response after L1 in bins of pt_gen without a threshold on the reconstructed pt;
/// numerical inversion, smoothed by a polynomial whose degree Akaike's criterion chooses; the
/// response is measured again with the correction and the factor updated.
///
/// Throws InvalidArgument: columns of different lengths, options out of range, too few jets, jets
/// that all have the same pileup.
Derivation derive(const edm::CalibrationJets& jets, const DeriveOptions& options);

/// Returns fits, points and counts for people and plots.
nlohmann::ordered_json to_json(const Derivation& derivation);

}  // namespace jetcal::jec
