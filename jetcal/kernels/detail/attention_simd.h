// SPDX-License-Identifier: Apache-2.0
// The vector variant of attention.h, for any width: softmax and pairs; products are tiles of gemm.
#pragma once

#include "jetcal/kernels/detail/attention_kernels.h"
#include "jetcal/kernels/detail/simd_math.h"
#include "jetcal/kernels/pair_constants.h"

namespace jetcal::kernels::detail {
namespace {

inline void pair_rows(const PairRows& rows) {
  const Lanes smallest = broadcast(kSmallestSquaredDistance);
  const Lanes half = broadcast(0.5F);
  for (std::int64_t i = 0; i < rows.n; ++i) {
    const Lanes log_pt = broadcast(rows.log_pt[i]);
    const Lanes d_eta = broadcast(rows.d_eta[i]);
    const Lanes d_phi = broadcast(rows.d_phi[i]);
    for (std::int64_t j = 0; j < rows.n; j += kLanes) {
      const Lanes eta = subtract(d_eta, load(rows.d_eta + j));
      const Lanes phi = subtract(d_phi, load(rows.d_phi + j));
      const Lanes squared = fma(eta, eta, fma(phi, phi, smallest));
      store(rows.log_distance + i * rows.stride + j, multiply(half, logarithm(squared)));
      // ln z = -ln(1 + e^|d|) with d = ln pT_i - ln pT_j.
      const Lanes d = subtract(log_pt, load(rows.log_pt + j));
      const Lanes below = minimum(d, subtract(zero(), d));
      const Lanes more = logarithm(add(broadcast(1.0F), exponential(below)));
      store(rows.log_share + i * rows.stride + j, subtract(below, more));
    }
  }
}

/// Holds the four coefficients of a PairBias in registers.
struct BiasLanes {
  Lanes distance, smaller, share, neighbor;
};

inline Lanes pair_bias(const BiasLanes& bias, Lanes log_pt, Lanes neighbor, Lanes log_distance,
                       Lanes log_share) {
  Lanes sum = multiply(bias.neighbor, neighbor);
  sum = fma(bias.smaller, minimum(log_pt, neighbor), sum);
  sum = fma(bias.share, log_share, sum);
  return fma(bias.distance, log_distance, sum);
}

inline void softmax_row(const ScoreRows& rows, const BiasLanes& bias, std::int64_t i,
                        float* scores) {
  const std::int64_t full = rows.n / kLanes * kLanes;
  const Mask tail = first_lanes(rows.n - full);
  const Lanes lowest = broadcast(-3.402823466e38F);
  const Lanes scale = broadcast(rows.scale);
  const Lanes log_pt = broadcast(rows.log_pt[i]);
  const float* log_distance = rows.log_distance + i * rows.stride;
  const float* log_share = rows.log_share + i * rows.stride;
  Lanes top = lowest;
  for (std::int64_t j = 0; j < rows.n; j += kLanes) {
    const Lanes pair =
        pair_bias(bias, log_pt, load(rows.log_pt + j), load(log_distance + j), load(log_share + j));
    Lanes score = fma(scale, load(scores + j), pair);
    if (j == full) score = select(tail, score, lowest);
    store(scores + j, score);
    top = maximum(top, score);
  }
  const Lanes largest = broadcast(largest_lane(top));
  Lanes total = zero();
  for (std::int64_t j = 0; j < rows.n; j += kLanes) {
    Lanes weight = exponential(subtract(load(scores + j), largest));
    if (j == full) weight = select(tail, weight, zero());
    store(scores + j, weight);
    total = add(total, weight);
  }
  const Lanes share = broadcast(1.0F / sum_lanes(total));
  for (std::int64_t j = 0; j < rows.n; j += kLanes) {
    store(scores + j, multiply(load(scores + j), share));
  }
}

inline void softmax(const ScoreRows& rows, float* scores) {
  const BiasLanes bias{broadcast(rows.bias.distance), broadcast(rows.bias.smaller),
                       broadcast(rows.bias.share), broadcast(rows.bias.neighbor)};
  for (std::int64_t i = 0; i < rows.n; ++i) softmax_row(rows, bias, i, scores + i * rows.stride);
}

// The probabilities of the padding are zeros, so its gradients are, whatever was there; but zero
// times infinity is not, so it is masked.
inline void softmax_gradient(const ScoreRows& rows, const ScoreGradient& gradient) {
  const std::int64_t full = rows.n / kLanes * kLanes;
  const Mask tail = first_lanes(rows.n - full);
  const Lanes scale = broadcast(rows.scale);
  BiasLanes sums{zero(), zero(), zero(), zero()};
  for (std::int64_t i = 0; i < rows.n; ++i) {
    const float* p = gradient.probabilities + i * rows.stride;
    float* grad = gradient.grad + i * rows.stride;
    Lanes total = zero();
    for (std::int64_t j = 0; j < rows.n; j += kLanes) {
      const Lanes own = j == full ? load(grad + j, tail) : load(grad + j);
      total = fma(load(p + j), own, total);
    }
    const Lanes mean = broadcast(sum_lanes(total));
    const Lanes log_pt = broadcast(rows.log_pt[i]);
    const float* log_distance = rows.log_distance + i * rows.stride;
    const float* log_share = rows.log_share + i * rows.stride;
    for (std::int64_t j = 0; j < rows.n; j += kLanes) {
      const Lanes own = j == full ? load(grad + j, tail) : load(grad + j);
      const Lanes score = multiply(load(p + j), subtract(own, mean));
      const Lanes neighbor = load(rows.log_pt + j);
      sums.distance = fma(score, load(log_distance + j), sums.distance);
      sums.smaller = fma(score, minimum(log_pt, neighbor), sums.smaller);
      sums.share = fma(score, load(log_share + j), sums.share);
      sums.neighbor = fma(score, neighbor, sums.neighbor);
      store(grad + j, multiply(score, scale));
    }
  }
  gradient.sums[0] += sum_lanes(sums.distance);
  gradient.sums[1] += sum_lanes(sums.smaller);
  gradient.sums[2] += sum_lanes(sums.share);
  gradient.sums[3] += sum_lanes(sums.neighbor);
}

}  // namespace
}  // namespace jetcal::kernels::detail
