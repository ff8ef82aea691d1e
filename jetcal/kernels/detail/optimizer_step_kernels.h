// SPDX-License-Identifier: Apache-2.0
// The variants behind optimizer_step.h: raw pointers, n elements, coefficients of one step.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

/// Holds what one step of Adam, AdamW or RAdam is made of, for every element alike:
///   p = keep p;  g' = g + shrink p  (p before the line);  m = beta1 m + gain1 g';
///   v = beta2 v + gain2 g'^2;  p -= rate m / (scale sqrt(v) + epsilon), or rate m where not
///   scaled; with slow weights: s = s + alpha (p - s), p = s.
struct MomentStep {
  float keep = 1, shrink = 0;
  float beta1 = 0, gain1 = 1, beta2 = 0, gain2 = 1;
  float rate = 0, scale = 1, epsilon = 0;
  float alpha = 0;
  bool scaled = true;
};

/// The same of AdaGrad and RMSprop: g' = g + shrink p;  s = decay s + gain g'^2;
/// p -= rate g' / (sqrt(s) + epsilon).
struct SquareStep {
  float shrink = 0, decay = 1, gain = 1, rate = 0, epsilon = 0;
};

struct OptimizerStepKernels {
  /// `slow` may be null: then there is no pull towards slow weights.
  void (*moments)(const MomentStep& step, const float* gradient, float* parameters, float* average,
                  float* square, float* slow, std::int64_t n);
  void (*squares)(const SquareStep& step, const float* gradient, float* parameters, float* square,
                  std::int64_t n);
  bool (*finite)(const float* x, std::int64_t n);
};

extern const OptimizerStepKernels kOptimizerStepRef, kOptimizerStepAvx2, kOptimizerStepAvx512;

}  // namespace jetcal::kernels::detail
