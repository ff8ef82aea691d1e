// SPDX-License-Identifier: Apache-2.0
// The one definition of what the networks see: from jet columns to features and target.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "jetcal/edm/jet_columns.h"

namespace jetcal::edm {

/// Chooses which particles of a jet the network sees.
enum class InputMode {
  Paper,  ///< The first 100 candidates of the box around the jet in storage order, as published.
  Constituents,  ///< The jet's own constituents (pf_from_jet == 1), all of them, by falling pT.
};

/// Returns "paper" or "constituents".
std::string_view input_mode_name(InputMode mode) noexcept;
/// Throws InvalidArgument for another name.
InputMode parse_input_mode(std::string_view name);

inline constexpr std::int64_t kPaperMaxParticles = 100;
inline constexpr std::int64_t kNumPointCoordinates = 2;
inline constexpr std::int64_t kNumParticleFeatures = 6;
inline constexpr std::int64_t kNumJetFeatures = 8;

/// No feature of a real jet comes near this bound, in GeV and radians. Below it the squares and
/// sums of a network over millions of rows stay within float.
inline constexpr float kLargestFeature = 1e9F;

/// Returns the feature, or the bound that it lies beyond; NaN stays NaN. The networks read features
/// through this, so that finite ones give finite results.
inline float bounded_feature(float x) noexcept {
  if (x > kLargestFeature) return kLargestFeature;
  return x < -kLargestFeature ? -kLargestFeature : x;
}

/// Tells whether a particle can be used: pT positive and finite, angles finite and not beyond
/// kLargestFeature.
inline bool is_usable_particle(float pt, float d_eta, float d_phi) noexcept {
  return pt > 0 && pt <= std::numeric_limits<float>::max() && std::abs(d_eta) <= kLargestFeature &&
         std::abs(d_phi) <= kLargestFeature;
}

/// Names of the columns, in the order of the published data configuration (weaver names).
inline constexpr std::array<std::string_view, 2> kPointNames{"PF_dEta", "PF_dPhi"};
inline constexpr std::array<std::string_view, 6> kParticleFeatureNames{
    "log_PF_pT", "log_PF_pTrel", "PF_dEta", "PF_dPhi", "PF_dTheta", "PF_dR"};
inline constexpr std::array<std::string_view, 8> kJetFeatureNames{
    "log_jetPt", "jetEta", "jetPhi", "jetMass", "jetArea", "QG_ptD", "QG_axis2", "QG_mult"};

/// Views network inputs of J jets with P particles in all.
///
/// Shapes: offsets [J + 1] from 0 to P, points [P, 2], particles [P, 6], jets [J, 8]; row-major.
struct FeatureView {
  std::span<const std::int64_t> offsets;
  std::span<const float> points, particles, jets;
  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t num_particles() const noexcept { return offsets.back(); }
};

/// Owns network inputs, with the regression target beside them.
struct FeatureBatch {
  std::vector<std::int64_t> offsets{0};
  std::vector<float> points, particles, jets;
  std::vector<float> target;  ///< y = log(pt_gen / pt_reco) [J]; 0 where pt_gen is not positive.
  /// Weight of each jet in the loss [J], not negative; empty where every jet counts 1. Whoever
  /// makes the batch appends it beside the features: append_features() leaves it alone.
  std::vector<float> weight;
  std::int64_t dropped_particles = 0;  ///< Candidates that is_usable_particle() refuses.

  FeatureView view() const noexcept { return {offsets, points, particles, jets}; }
  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t num_particles() const noexcept { return offsets.back(); }
  void clear();
};

/// Appends the features of one jet to `batch`.
///
/// Particles: log(pt), log(pt / pt_reco), d_eta, d_phi, atan2(d_phi, d_eta), hypot(d_eta, d_phi).
/// Jets: log(pt_reco), eta, phi, mass, area, qg_pt_d, qg_axis2, qg_mult. Particles that cannot be
/// used are dropped and counted; in Paper mode they still count towards the first 100. A jet
/// without particles is valid. Ties in pT keep storage order. Where pt_reco is positive, every
/// particle's features are finite. Logarithms and angles are within 3 units in the last place, with
/// the same bits on every CPU.
void append_features(const JetView& jets, std::int64_t row, InputMode mode, FeatureBatch& batch);

}  // namespace jetcal::edm
