// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/correction.h"

#include <algorithm>
#include <cmath>

#include "jetcal/sim/cards.h"

namespace jetcal::sim {

Correction Correction::read(const Config& card) {
  Correction c;
  c.eta_edges_ = card.require<std::vector<double>>("eta_edges");
  c.slope_ = card.require<std::vector<double>>("offset_slope");
  c.rho_offset_ = card.require<double>("rho_offset");
  c.pt_ = card.require<std::vector<std::vector<double>>>("pt");
  c.factor_ = card.require<std::vector<std::vector<double>>>("factor");
  const std::size_t bins = c.eta_edges_.size();
  bool good =
      bins > 0 && c.slope_.size() == bins && c.pt_.size() == bins && c.factor_.size() == bins;
  for (std::size_t bin = 0; good && bin < bins; ++bin)
    good = !c.pt_[bin].empty() && c.pt_[bin].size() == c.factor_[bin].size();
  if (!good)
    fail(ErrorCode::InvalidArgument, card.source(),
         ": offset_slope, pt and factor need one entry per bin of eta_edges, pt and factor of one "
         "bin the same length");
  return c;
}

Correction Correction::standard() {
  return read(Config::parse(correction_card(), "the compiled-in correction"));
}

std::size_t Correction::bin_of(double eta) const {
  std::size_t bin = 0;
  while (bin + 1 < eta_edges_.size() && std::abs(eta) >= eta_edges_[bin]) ++bin;
  return bin;
}

double Correction::response_factor(std::size_t bin, double pt) const {
  const std::vector<double>& points = pt_[bin];
  const std::vector<double>& factors = factor_[bin];
  const auto above = std::upper_bound(points.begin(), points.end(), pt);
  if (above == points.begin()) return factors.front();
  if (above == points.end()) return factors.back();
  const auto i = static_cast<std::size_t>(above - points.begin());
  const double share = std::log(pt / points[i - 1]) / std::log(points[i] / points[i - 1]);
  return factors[i - 1] + share * (factors[i] - factors[i - 1]);
}

double Correction::after_offset(double pt_raw, double eta, double area, double rho) const {
  const double offset = area * slope_[bin_of(eta)] * (rho - rho_offset_);
  return std::max(pt_raw - offset, 0.01 * pt_raw);
}

double Correction::factor(double pt_raw, double eta, double area, double rho) const {
  const double pt = after_offset(pt_raw, eta, area, rho);
  return pt / pt_raw * response_factor(bin_of(eta), pt);
}

}  // namespace jetcal::sim
