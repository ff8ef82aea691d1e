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

/// Chooses which features a network gets.
enum class FeatureSet {
  Published,  ///< Six a particle and eight a jet, as published.
  Extended,  ///< These, and mass, kind and vertex association of every particle, rho and the number
             ///< of vertices of the event.
};

/// Returns "published" or "extended".
std::string_view feature_set_name(FeatureSet features) noexcept;
/// Throws InvalidArgument for another name.
FeatureSet parse_feature_set(std::string_view name);

/// Names the pT of the jet that a network corrects, and that its features hold.
enum class Reference {
  Jec,  ///< pt_reco, after the conventional correction.
  Raw,  ///< pt_raw; the logarithm of the conventional factor is one more feature of the jet.
};

/// Returns "jec" or "raw".
std::string_view reference_name(Reference reference) noexcept;
/// Throws InvalidArgument for another name.
Reference parse_reference(std::string_view name);

/// Says what append_features() writes.
struct InputOptions {
  InputMode mode = InputMode::Paper;
  FeatureSet features = FeatureSet::Published;
  Reference reference = Reference::Jec;

  InputOptions() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): most callers choose nothing but the mode
  InputOptions(InputMode input_mode, FeatureSet set = FeatureSet::Published,
               Reference pt = Reference::Jec) noexcept
      : mode(input_mode), features(set), reference(pt) {}
  bool operator==(const InputOptions&) const = default;
};

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

/// What the extended set adds to them: kinds and vertex association are 0 or 1.
inline constexpr std::array<std::string_view, 11> kExtendedParticleFeatureNames{
    "PF_mass",     "PF_isChargedHadron", "PF_isElectron", "PF_isMuon",
    "PF_isPhoton", "PF_isNeutralHadron", "PF_isOther",    "PF_fromPV0",
    "PF_fromPV1",  "PF_fromPV2",         "PF_fromPV3"};
inline constexpr std::array<std::string_view, 2> kExtendedJetFeatureNames{"rho", "PV_npvsGood"};
/// Last feature of a jet with Reference::Raw: log(pt_reco / pt_raw).
inline constexpr std::string_view kCorrectionFeatureName = "log_JEC";

/// Return the names of the features in order. With Reference::Raw the momenta among them are
/// jetRawPt.
std::vector<std::string_view> particle_feature_names(const InputOptions& options);
std::vector<std::string_view> jet_feature_names(const InputOptions& options);
std::int64_t num_particle_features(const InputOptions& options) noexcept;
std::int64_t num_jet_features(const InputOptions& options) noexcept;

/// Views network inputs of J jets with P particles in all.
///
/// Shapes: offsets [J + 1] from 0 to P, points [P, 2], particles [P, particle_features], jets [J,
/// jet_features]; row-major.
struct FeatureView {
  std::span<const std::int64_t> offsets;
  std::span<const float> points, particles, jets;
  std::int64_t particle_features = kNumParticleFeatures;
  std::int64_t jet_features = kNumJetFeatures;
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
  std::vector<float> log_jec;       ///< log(pt_reco / pt_raw) [J]; empty with Reference::Jec.
  std::vector<std::int8_t> flavor;  ///< Place in kFlavors, -1 for an undefined one [J].
  std::int64_t particle_features = kNumParticleFeatures;
  std::int64_t jet_features = kNumJetFeatures;
  std::int64_t dropped_particles = 0;  ///< Candidates that is_usable_particle() refuses.

  FeatureView view() const noexcept {
    return {offsets, points, particles, jets, particle_features, jet_features};
  }
  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t num_particles() const noexcept { return offsets.back(); }
  void clear();
};

/// Appends the features of one jet to `batch`.
///
/// Particles: log(pt), log(pt / pt_reco), d_eta, d_phi, atan2(d_phi, d_eta), hypot(d_eta, d_phi).
/// Jets: log(pt_reco), eta, phi, mass, area, qg_pt_d, qg_axis2, qg_mult; then what `options` add,
/// and pt_raw in place of pt_reco where they say so. All jets of a batch need the same options.
/// Particles that cannot be
/// used are dropped and counted; in Paper mode they still count towards the first 100. A jet
/// without particles is valid. Ties in pT keep storage order. Where pt_reco is positive, every
/// particle's features are finite. Logarithms and angles are within 3 units in the last place, with
/// the same bits on every CPU.
void append_features(const JetView& jets, std::int64_t row, const InputOptions& options,
                     FeatureBatch& batch);

}  // namespace jetcal::edm
