// SPDX-License-Identifier: Apache-2.0
// The correction that makes jetPt from jetRawPt: pileup offset by area, then response by eta and
// pT.
#pragma once

#include <vector>

#include "jetcal/base/config.h"

namespace jetcal::sim {

/// Corrects in two steps, as L1FastJet and L2L3 of CMS do.
///
/// pt1 = max(pt_raw - area * slope(|eta|) * (rho - rho_offset), 0.01 pt_raw), then pt1 * f(|eta|,
/// pt1) with f interpolated in log pt1 between the points of an |eta| bin and constant beyond them.
class Correction {
 public:
  /// Reads the YAML card; throws InvalidArgument naming the field.
  static Correction read(const Config& card);
  /// Returns the compiled-in correction.
  static Correction standard();

  double after_offset(double pt_raw, double eta, double area, double rho) const;
  /// Returns jetPt / jetRawPt.
  double factor(double pt_raw, double eta, double area, double rho) const;

 private:
  std::size_t bin_of(double eta) const;
  double response_factor(std::size_t bin, double pt) const;

  std::vector<double> eta_edges_;  // upper edges of |eta|
  std::vector<double> slope_;      // of each bin
  double rho_offset_ = 0;
  std::vector<std::vector<double>> pt_, factor_;  // points of each bin, pt ascending
};

}  // namespace jetcal::sim
