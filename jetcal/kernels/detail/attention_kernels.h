// SPDX-License-Identifier: Apache-2.0
// The variants behind attention.h and pair_quantities.h: raw pointers, one jet.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

/// Asks for ln dR and ln z of all pairs of a jet's particles: columns [n], results [n, stride].
///
/// The columns can be read up to `stride`, whole vectors; the results' padding gets numbers without
/// meaning.
struct PairRows {
  std::int64_t n, stride;
  const float* log_pt;
  const float* d_eta;
  const float* d_phi;
  float* log_distance;
  float* log_share;
};

/// Gives the bias of a pair as a sum: distance ln dR + smaller min(ln pT) + share ln z + neighbor
/// ln pT_j.
struct PairBias {
  float distance, smaller, share, neighbor;
};

/// Describes the rows of scores of one head of a jet; everything is [n, stride] but log_pt
/// [stride].
struct ScoreRows {
  std::int64_t n, stride;
  float scale;  ///< Of the products q k.
  PairBias bias;
  const float* log_pt;
  const float* log_distance;
  const float* log_share;
};

/// Asks for the gradient of the scores: grad = p (grad - sum_j p grad), in place, times scale in
/// the end. Adds to sums [4] what PairBias multiplies times the gradient before `scale`.
struct ScoreGradient {
  const float* probabilities;
  float* grad;
  double* sums;
};

struct AttentionKernels {
  std::int64_t lanes;
  void (*pairs)(const PairRows& rows);
  /// Turns products q k [n, stride] into probabilities, in place; the rest of the last vector
  /// gets zeros.
  void (*softmax)(const ScoreRows& rows, float* scores);
  void (*softmax_gradient)(const ScoreRows& rows, const ScoreGradient& gradient);
};

extern const AttentionKernels kAttentionRef, kAttentionAvx2, kAttentionAvx512;

}  // namespace jetcal::kernels::detail
