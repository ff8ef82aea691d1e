// SPDX-License-Identifier: Apache-2.0
// Loss and parameter updates on the device, without asking the host in between.
#pragma once

#include <cstdint>

#include "jetcal/cuda/detail/queue.h"
#include "jetcal/cuda/update_rule.h"

namespace jetcal::cuda::detail {

/// What the host reads back after a step.
struct StepReport {
  double loss;
  std::int32_t loss_finite, gradient_finite;
};

/// Counts the updates made, and holds the coefficients of the present one.
struct UpdateState {
  std::int64_t steps;
  // p = keep p; g' = g + shrink p; m = beta1 m + gain1 g'; v = beta2 v + gain2 g'^2;
  // p -= rate m / (scale sqrt(v) + epsilon), or rate m where not scaled; where `pull`,
  // s = s + alpha (p - s), p = s.
  float keep, shrink, beta1, gain1, beta2, gain2, rate, scale, epsilon, alpha;
  std::int32_t scaled, pull, apply;
};

/// Mean of |target - y| 1(|target| < 1) over the jets, and its gradient times the rows of y
/// [J, pitch], whose first column counts; the other columns of grad_y get zeros. Sets the report.
void loss_and_gradient(Queue& queue, const float* y, const float* target, std::int64_t num_jets,
                       std::int64_t pitch, float* grad_y, StepReport* report);

/// Clears report->gradient_finite where a value is not finite.
void check_gradient(Queue& queue, const float* gradient, std::int64_t size, StepReport* report);

/// Parameters, gradient and moments of the rule; arrays of the device. average is null for AdaGrad
/// and RMSprop, slow for all but Ranger.
struct UpdateArrays {
  std::int64_t size = 0;
  const float* gradient = nullptr;
  float* parameters = nullptr;
  float* average = nullptr;
  float* square = nullptr;
  float* slow = nullptr;
};

/// Makes one update by the formulas of kernels/optimizer_step.h unless the report says that loss or
/// gradient is not finite.
void update_parameters(Queue& queue, const UpdateRule& rule, double learning_rate,
                       const StepReport* report, UpdateState* state, const UpdateArrays& arrays);

/// Copies the first column of x [rows, pitch] to y [rows].
void take_first_column(Queue& queue, const float* x, std::int64_t rows, std::int64_t pitch,
                       float* y);

}  // namespace jetcal::cuda::detail
