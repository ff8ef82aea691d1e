// SPDX-License-Identifier: Apache-2.0
// What attention knows of two particles of a jet: how far apart they are and how they share pT.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/kernels/aligned_rows.h"
#include "jetcal/kernels/pair_constants.h"  // IWYU pragma: export

namespace jetcal::kernels {

/// Holds the pair quantities of the particles i and j of every jet, of massless particles at small
/// angles:
///
///   ln dR   = ln(d_eta^2 + d_phi^2 + kSmallestSquaredDistance) / 2
///   ln kT   = min(ln pT_i, ln pT_j) + ln dR
///   ln z    = min(ln pT_i, ln pT_j) - ln(pT_i + pT_j)
///   ln m^2  = ln pT_i + ln pT_j + 2 ln dR
///
/// Only ln dR and ln z are stored: what the others add is cheap to make again.
class PairQuantities {
 public:
  /// Shapes: momenta [P, 3], offsets [J + 1]. Replaces what was there; storage is kept. A jet's
  /// quantities have the same bits in any batch. Uses parallel_for.
  void build(std::span<const float> momenta, std::span<const std::int64_t> offsets);

  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(starts_.size()) - 1; }
  std::int64_t first_particle(std::int64_t jet) const noexcept { return offsets_[jet]; }
  std::int64_t num_particles() const noexcept { return offsets_.back(); }
  std::int64_t size(std::int64_t jet) const noexcept { return offsets_[jet + 1] - offsets_[jet]; }

  /// Distance of a jet's rows below, whole vectors of the variant in use.
  std::int64_t stride(std::int64_t jet) const noexcept { return stride_of(size(jet)); }
  const float* log_pt(std::int64_t jet) const noexcept { return values_.data() + starts_[jet]; }
  /// Rows of particle i, columns of j: ln dR [n, stride].
  const float* log_distance(std::int64_t jet) const noexcept { return log_pt(jet) + stride(jet); }
  /// ln z [n, stride].
  const float* log_share(std::int64_t jet) const noexcept {
    return log_distance(jet) + size(jet) * stride(jet);
  }

 private:
  std::int64_t stride_of(std::int64_t size) const noexcept;
  void build_jet(std::span<const float> momenta, std::int64_t jet, AlignedRows<float>& columns);

  std::int64_t vector_ = 1;
  std::vector<std::int64_t> offsets_{0}, starts_{0};
  AlignedRows<float> values_;
};

}  // namespace jetcal::kernels
