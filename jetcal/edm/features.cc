// SPDX-License-Identifier: Apache-2.0
#include "jetcal/edm/features.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/edm/detail/vector_math.h"
#include "jetcal/edm/flavor.h"
#include "jetcal/edm/regression_target.h"

namespace jetcal::edm {

std::string_view input_mode_name(InputMode mode) noexcept {
  return mode == InputMode::Paper ? "paper" : "constituents";
}

InputMode parse_input_mode(std::string_view name) {
  if (name == "paper") return InputMode::Paper;
  if (name == "constituents") return InputMode::Constituents;
  fail(ErrorCode::InvalidArgument, "input mode: expected paper or constituents, got '", name, "'");
}

std::string_view feature_set_name(FeatureSet features) noexcept {
  return features == FeatureSet::Published ? "published" : "extended";
}

FeatureSet parse_feature_set(std::string_view name) {
  if (name == "published") return FeatureSet::Published;
  if (name == "extended") return FeatureSet::Extended;
  fail(ErrorCode::InvalidArgument, "features: expected published or extended, got '", name, "'");
}

std::string_view reference_name(Reference reference) noexcept {
  return reference == Reference::Jec ? "jec" : "raw";
}

Reference parse_reference(std::string_view name) {
  if (name == "jec") return Reference::Jec;
  if (name == "raw") return Reference::Raw;
  fail(ErrorCode::InvalidArgument, "target: expected jec or raw, got '", name, "'");
}

std::vector<std::string_view> particle_feature_names(const InputOptions& options) {
  std::vector<std::string_view> names(kParticleFeatureNames.begin(), kParticleFeatureNames.end());
  if (options.features == FeatureSet::Extended) {
    names.insert(names.end(), kExtendedParticleFeatureNames.begin(),
                 kExtendedParticleFeatureNames.end());
  }
  return names;
}

std::vector<std::string_view> jet_feature_names(const InputOptions& options) {
  std::vector<std::string_view> names(kJetFeatureNames.begin(), kJetFeatureNames.end());
  if (options.features == FeatureSet::Extended) {
    names.insert(names.end(), kExtendedJetFeatureNames.begin(), kExtendedJetFeatureNames.end());
  }
  if (options.reference == Reference::Raw) {
    names.front() = "log_jetRawPt";
    names.push_back(kCorrectionFeatureName);
  }
  return names;
}

std::int64_t num_particle_features(const InputOptions& options) noexcept {
  constexpr auto kMore = static_cast<std::int64_t>(kExtendedParticleFeatureNames.size());
  return kNumParticleFeatures + (options.features == FeatureSet::Extended ? kMore : 0);
}

std::int64_t num_jet_features(const InputOptions& options) noexcept {
  constexpr auto kMore = static_cast<std::int64_t>(kExtendedJetFeatureNames.size());
  return kNumJetFeatures + (options.features == FeatureSet::Extended ? kMore : 0) +
         (options.reference == Reference::Raw ? 1 : 0);
}

void FeatureBatch::clear() {
  offsets.assign(1, 0);
  points.clear();
  particles.clear();
  jets.clear();
  target.clear();
  weight.clear();
  log_jec.clear();
  flavor.clear();
  dropped_particles = 0;
}

namespace {

// Particles of one jet in columns, with room for whole vectors. Larger jets take the heap.
class Chosen {
 public:
  explicit Chosen(std::int64_t capacity) {
    // Up to a vector is written beyond the last particle.
    std::int64_t size = capacity + detail::kVectorWidth;
    float* memory = small_.data();
    index = small_index_.data();
    row = small_row_.data();
    if (size > kSmall) {
      large_.resize(static_cast<std::size_t>(kColumns * size));
      large_index_.resize(static_cast<std::size_t>(size));
      memory = large_.data();
      large_row_.resize(static_cast<std::size_t>(size));
      index = large_index_.data();
      row = large_row_.data();
    } else {
      size = kSmall;
    }
    for (float** const column : {&pt, &d_eta, &d_phi, &log_pt, &log_pt_relative, &angle}) {
      *column = memory;
      memory += size;
    }
  }

  std::int64_t count = 0;
  float *pt, *d_eta, *d_phi, *log_pt, *log_pt_relative, *angle;
  std::int32_t *index, *row;  // row: place among the jet's candidates

 private:
  static constexpr std::int64_t kSmall = 256, kColumns = 6;
  std::array<float, static_cast<std::size_t>(kColumns* kSmall)> small_;
  std::array<std::int32_t, static_cast<std::size_t>(kSmall)> small_index_, small_row_;
  std::vector<float> large_;
  std::vector<std::int32_t> large_index_, large_row_;
};

// Copies the candidates that the mode asks for.
void gather(const JetView& jets, std::int64_t row, InputMode mode, Chosen& chosen) {
  const std::int64_t begin = jets.offsets[row];
  const std::int64_t count = jets.offsets[row + 1] - begin;
  const float* const pt = jets.pf_pt.data() + begin;
  const float* const d_eta = jets.pf_d_eta.data() + begin;
  const float* const d_phi = jets.pf_d_phi.data() + begin;
  if (mode == InputMode::Paper) {
    chosen.count = std::min(count, kPaperMaxParticles);
    std::copy_n(pt, chosen.count, chosen.pt);
    std::copy_n(d_eta, chosen.count, chosen.d_eta);
    std::copy_n(d_phi, chosen.count, chosen.d_phi);
    std::iota(chosen.row, chosen.row + chosen.count, 0);
    return;
  }
  const std::uint8_t* const from_jet = jets.pf_from_jet.data() + begin;
  std::int64_t own = 0;
  for (std::int64_t p = 0; p < count; ++p) {
    // No branch: own particles and others alternate without a pattern.
    chosen.index[own] = static_cast<std::int32_t>(p);
    own += static_cast<std::int64_t>(from_jet[p] == 1);
  }
  chosen.count = own;
  for (std::int64_t i = 0; i < own; ++i) {
    const std::int64_t p = chosen.index[i];
    chosen.pt[i] = pt[p];
    chosen.d_eta[i] = d_eta[p];
    chosen.d_phi[i] = d_phi[p];
    chosen.row[i] = static_cast<std::int32_t>(p);
  }
}

// Removes the particles that cannot be used; returns how many.
std::int64_t drop_unusable(Chosen& chosen) {
  const std::int64_t asked = chosen.count;
  std::int64_t usable = 0;
  for (std::int64_t i = 0; i < asked; ++i) {
    usable += static_cast<std::int64_t>(
        is_usable_particle(chosen.pt[i], chosen.d_eta[i], chosen.d_phi[i]));
  }
  if (usable == asked) return 0;
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < asked; ++i) {
    if (!is_usable_particle(chosen.pt[i], chosen.d_eta[i], chosen.d_phi[i])) continue;
    chosen.pt[kept] = chosen.pt[i];
    chosen.d_eta[kept] = chosen.d_eta[i];
    chosen.d_phi[kept] = chosen.d_phi[i];
    chosen.row[kept] = chosen.row[i];
    ++kept;
  }
  chosen.count = kept;
  return asked - kept;
}

// Writes the place of every particle by falling pT; ties keep their order.
void rank_by_pt(Chosen& chosen) {
  const std::int64_t count = chosen.count;
  constexpr std::int64_t kCompareAll = 128;  // beyond, sorting takes fewer comparisons
  if (count > kCompareAll) {
    std::vector<std::int32_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&chosen](std::int32_t a, std::int32_t b) {
      return chosen.pt[a] > chosen.pt[b];
    });
    for (std::int64_t i = 0; i < count; ++i) {
      chosen.index[order[i]] = static_cast<std::int32_t>(i);
    }
    return;
  }
  // A particle's place is the number of those before it. Padding comes before none.
  for (std::int64_t i = count; i < count + detail::kVectorWidth; ++i) chosen.pt[i] = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const detail::Floats4 own = detail::all(chosen.pt[i]);
    detail::Ints4 before{};
    std::int64_t j = 0;
    for (; j + detail::kVectorWidth <= i; j += detail::kVectorWidth) {
      before -= detail::load4(chosen.pt + j) >= own;  // true is -1
    }
    std::int32_t place = 0;
    for (const std::int64_t end = j + detail::kVectorWidth; j < end; ++j) {
      place += static_cast<std::int32_t>(j < i ? chosen.pt[j] >= chosen.pt[i]
                                               : chosen.pt[j] > chosen.pt[i]);
    }
    for (; j < count; j += detail::kVectorWidth) before -= detail::load4(chosen.pt + j) > own;
    chosen.index[i] = place + before[0] + before[1] + before[2] + before[3];
  }
}

void sort_by_pt(Chosen& chosen) {
  if (std::is_sorted(chosen.pt, chosen.pt + chosen.count, std::greater<>())) return;
  rank_by_pt(chosen);
  // The columns of the features are still free.
  for (std::int64_t i = 0; i < chosen.count; ++i) {
    const std::int32_t place = chosen.index[i];
    chosen.log_pt[place] = chosen.pt[i];
    chosen.log_pt_relative[place] = chosen.d_eta[i];
    chosen.angle[place] = chosen.d_phi[i];
  }
  // Ranks and rows trade places in cycles: once a rank is its own place, all behind it are done.
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(chosen.count); ++i) {
    while (chosen.index[i] != i) {
      const std::int32_t place = chosen.index[i];
      std::swap(chosen.row[i], chosen.row[place]);
      std::swap(chosen.index[i], chosen.index[place]);
    }
  }
  std::swap(chosen.pt, chosen.log_pt);
  std::swap(chosen.d_eta, chosen.log_pt_relative);
  std::swap(chosen.d_phi, chosen.angle);
}

void compute(Chosen& chosen, float pt_jet) {
  const std::int64_t count = chosen.count;
  for (std::int64_t i = count; i < count + detail::kVectorWidth; ++i) {
    chosen.pt[i] = 1;
    chosen.d_eta[i] = chosen.d_phi[i] = 0;
  }
  const float log_pt_jet = std::log(pt_jet);
  for (std::int64_t i = 0; i < count; i += detail::kVectorWidth) {
    using detail::all;
    const detail::Floats4 pt = detail::load4(chosen.pt + i);
    const detail::Floats4 log_pt = detail::log4(pt);
    const detail::Floats4 relative = pt / pt_jet;
    // The ratio of an extreme pair leaves the range of float; its logarithm does not.
    const auto in_range = (relative >= std::numeric_limits<float>::min()) &
                          (relative <= std::numeric_limits<float>::max());
    const detail::Floats4 ratio = in_range ? relative : all(1.0F);
    detail::store4(chosen.log_pt + i, log_pt);
    detail::store4(chosen.log_pt_relative + i,
                   in_range ? detail::log4(ratio) : log_pt - log_pt_jet);
    detail::store4(chosen.angle + i, detail::atan2_4(detail::load4(chosen.d_phi + i),
                                                     detail::load4(chosen.d_eta + i)));
  }
}

// Writes the features that the extended set adds for the candidate `p`.
void add_identity(const JetView& jets, std::int64_t p, float* out) {
  std::fill_n(out, kExtendedParticleFeatureNames.size(), 0.0F);
  const float mass = jets.pf_mass[p];
  out[0] = std::isfinite(mass) ? mass : 0.0F;
  const auto kind = [](std::int32_t id) {
    switch (id < 0 ? -id : id) {
      case 211:
        return 1;
      case 11:
        return 2;
      case 13:
        return 3;
      case 22:
        return 4;
      case 130:
        return 5;
      default:
        return 6;
    }
  };
  out[kind(jets.pf_id[p])] = 1;
  out[7 + std::min<int>(jets.pf_from_pv[p], 3)] = 1;
}

void append_rows(const JetView& jets, std::int64_t row, const Chosen& chosen, FeatureBatch& batch) {
  const std::int64_t width = batch.particle_features;
  const std::size_t points = batch.points.size();
  const std::size_t particles = batch.particles.size();
  const auto count = static_cast<std::size_t>(chosen.count);
  batch.points.resize(points + count * kNumPointCoordinates);
  batch.particles.resize(particles + count * static_cast<std::size_t>(width));
  float* point = batch.points.data() + points;
  float* particle = batch.particles.data() + particles;
  for (std::size_t i = 0; i < count; ++i) {
    const float d_eta = chosen.d_eta[i];
    const float d_phi = chosen.d_phi[i];
    point[0] = d_eta;
    point[1] = d_phi;
    particle[0] = chosen.log_pt[i];
    particle[1] = chosen.log_pt_relative[i];
    particle[2] = d_eta;
    particle[3] = d_phi;
    particle[4] = chosen.angle[i];
    // In double no square of a float overflows or vanishes.
    particle[5] = static_cast<float>(
        std::sqrt(static_cast<double>(d_eta) * d_eta + static_cast<double>(d_phi) * d_phi));
    if (width > kNumParticleFeatures) {
      add_identity(jets, jets.offsets[row] + chosen.row[i], particle + kNumParticleFeatures);
    }
    point += kNumPointCoordinates;
    particle += width;
  }
}

}  // namespace

void append_features(const JetView& jets, std::int64_t row, const InputOptions& options,
                     FeatureBatch& batch) {
  const float pt_reco = jets.pt_reco[row];
  const bool raw = options.reference == Reference::Raw;
  const float pt_jet = raw ? jets.pt_raw[row] : pt_reco;
  batch.particle_features = num_particle_features(options);
  batch.jet_features = num_jet_features(options);
  Chosen chosen(jets.offsets[row + 1] - jets.offsets[row]);
  gather(jets, row, options.mode, chosen);
  batch.dropped_particles += drop_unusable(chosen);
  if (options.mode == InputMode::Constituents) sort_by_pt(chosen);
  compute(chosen, pt_jet);
  append_rows(jets, row, chosen, batch);
  batch.offsets.push_back(batch.offsets.back() + chosen.count);
  batch.jets.insert(batch.jets.end(),
                    {std::log(pt_jet), jets.eta[row], jets.phi[row], jets.mass[row], jets.area[row],
                     jets.qg_pt_d[row], jets.qg_axis2[row], static_cast<float>(jets.qg_mult[row])});
  if (options.features == FeatureSet::Extended) {
    batch.jets.insert(batch.jets.end(),
                      {jets.rho[row], static_cast<float>(jets.num_vertices[row])});
  }
  if (raw) {
    batch.log_jec.push_back(std::log(pt_reco / pt_jet));
    batch.jets.push_back(batch.log_jec.back());
  }
  batch.target.push_back(regression_target(jets, row));
  const Flavor flavor = jets.hadron_flavor.empty()  // real jets have none
                            ? Flavor::Undefined
                            : jet_flavor(jets.hadron_flavor[row], jets.parton_flavor[row]);
  const auto* const place = std::find(kFlavors.begin(), kFlavors.end(), flavor);
  batch.flavor.push_back(place == kFlavors.end()
                             ? std::int8_t{-1}
                             : static_cast<std::int8_t>(place - kFlavors.begin()));
}

}  // namespace jetcal::edm
