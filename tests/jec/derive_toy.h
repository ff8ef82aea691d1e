// SPDX-License-Identifier: Apache-2.0
// Jets with a known response and a known pileup offset.
#pragma once

#include <algorithm>
#include <cmath>

#include "jetcal/base/random.h"
#include "jetcal/edm/calibration_jets.h"

namespace jetcal::jec::toy {

inline constexpr double kRhoZero = 2.0, kRhoPerCollision = 0.65;

/// Returns the offset per area and per GeV of rho; less beyond the tracker.
inline double density(double abs_eta) { return abs_eta < 2.5 ? 0.45 : 0.3; }

/// Returns the median of the reconstructed pt without pileup over pt_gen.
inline double response(double pt_gen, double abs_eta) {
  const double lost = abs_eta < 1.305 ? 0.20 : 0.32;
  return 0.97 - lost * std::pow(pt_gen / 10, -0.5) - (abs_eta >= 2.5 ? 0.05 : 0.0);
}

inline double resolution(double pt_gen) {
  return std::sqrt(0.04 * 0.04 + 0.8 / pt_gen + 4 / (pt_gen * pt_gen));
}

/// Makes jets, falling in pt_gen as 1 / pt, of which one in fifty has no reconstructed partner.
inline edm::CalibrationJets make_jets(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed);
  edm::CalibrationJets jets;
  for (std::int64_t i = 0; i < count; ++i) {
    const double eta = -3.2 + 6.4 * rng.uniform();
    const double highest = std::min(4000.0, 6000 / std::cosh(eta));
    const double pt_gen = 10 * std::pow(highest / 10, rng.uniform());
    const auto collisions = static_cast<std::int32_t>(rng.poisson(23));
    const double rho = kRhoZero + kRhoPerCollision * collisions + 0.3 * rng.normal();
    const double area = std::clamp(0.5 + 0.02 * rng.normal(), 0.3, 0.7);
    const double abs_eta = std::abs(eta);
    const double alone =
        pt_gen * response(pt_gen, abs_eta) * std::max(0.05, 1 + resolution(pt_gen) * rng.normal());
    const double offset = area * density(abs_eta) * kRhoPerCollision * collisions + rng.normal();
    const bool found = i % 50 != 0 && alone + offset > 0;
    jets.pt_gen.push_back(static_cast<float>(pt_gen));
    jets.eta_gen.push_back(static_cast<float>(eta));
    jets.pt_raw.push_back(found ? static_cast<float>(alone + offset) : 0.0F);
    jets.eta.push_back(found ? static_cast<float>(eta) : 0.0F);
    jets.area.push_back(found ? static_cast<float>(area) : 0.0F);
    jets.pt_raw_no_pileup.push_back(i % 41 != 0 ? static_cast<float>(alone) : 0.0F);
    jets.rho.push_back(static_cast<float>(rho));
    jets.num_pileup.push_back(collisions);
  }
  return jets;
}

}  // namespace jetcal::jec::toy
