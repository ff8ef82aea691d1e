// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/pair_quantities.h"

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/attention_table.h"

namespace jetcal::kernels {

std::int64_t PairQuantities::stride_of(std::int64_t size) const noexcept {
  const std::int64_t whole = (size + vector_ - 1) / vector_ * vector_;
  // Rows a multiple of 64 floats apart would share few sets of the nearest cache.
  return whole > 0 && whole % 64 == 0 ? whole + vector_ : whole;
}

void PairQuantities::build(std::span<const float> momenta, std::span<const std::int64_t> offsets) {
  JETCAL_DCHECK(std::ssize(momenta) == offsets.back() * kMomentumColumns);
  vector_ = detail::attention_kernels(kernel_isa()).lanes;
  offsets_.assign(offsets.begin(), offsets.end());
  starts_.assign(1, 0);
  for (std::size_t jet = 0; jet + 1 < offsets.size(); ++jet) {
    const std::int64_t n = offsets[jet + 1] - offsets[jet];
    starts_.push_back(starts_.back() + (2 * n + 1) * stride_of(n));
  }
  room_for(values_, starts_.back());
  constexpr std::int64_t kFewJets = 4;
  parallel_for(num_jets(), kFewJets, [&](std::int64_t begin, std::int64_t end) {
    AlignedRows<float> columns;
    for (std::int64_t jet = begin; jet < end; ++jet) build_jet(momenta, jet, columns);
  });
}

void PairQuantities::build_jet(std::span<const float> momenta, std::int64_t jet,
                               AlignedRows<float>& columns) {
  const std::int64_t n = size(jet);
  if (n == 0) return;
  const std::int64_t length = stride(jet);
  columns.assign(static_cast<std::size_t>(2 * length), 0.0F);
  float* const d_eta = columns.data();
  float* const d_phi = d_eta + length;
  float* const log_pt = values_.data() + starts_[jet];
  std::fill_n(log_pt, length, 0.0F);
  for (std::int64_t i = 0; i < n; ++i) {
    const float* momentum = momenta.data() + (offsets_[jet] + i) * kMomentumColumns;
    log_pt[i] = momentum[0];
    d_eta[i] = momentum[1];
    d_phi[i] = momentum[2];
  }
  float* const log_distance = log_pt + length;
  detail::attention_kernels(kernel_isa())
      .pairs({n, length, log_pt, d_eta, d_phi, log_distance, log_distance + n * length});
}

}  // namespace jetcal::kernels
