// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "jetcal/kernels/detail/optimizer_step_kernels.h"

namespace jetcal::kernels::detail {
namespace {

// Everything in double, rounded where it is stored.
void moments(const MomentStep& step, const float* gradient, float* parameters, float* average,
             float* square, float* slow, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double p = parameters[i];
    const double g = gradient[i] + static_cast<double>(step.shrink) * p;
    const double m = static_cast<double>(step.beta1) * average[i] + step.gain1 * g;
    // A square that float cannot hold is infinity in every variant: the update is zero then.
    average[i] = static_cast<float>(m);
    square[i] =
        static_cast<float>(static_cast<double>(step.beta2) * square[i] + step.gain2 * g * g);
    const double divisor =
        step.scaled ? step.scale * std::sqrt(static_cast<double>(square[i])) + step.epsilon : 1.0;
    double updated = step.keep * p - step.rate * (average[i] / divisor);
    if (slow != nullptr) {
      updated = slow[i] + step.alpha * (updated - slow[i]);
      slow[i] = static_cast<float>(updated);
    }
    parameters[i] = static_cast<float>(updated);
  }
}

void squares(const SquareStep& step, const float* gradient, float* parameters, float* square,
             std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double p = parameters[i];
    const double g = gradient[i] + static_cast<double>(step.shrink) * p;
    square[i] = static_cast<float>(static_cast<double>(step.decay) * square[i] + step.gain * g * g);
    const double divisor = std::sqrt(static_cast<double>(square[i])) + step.epsilon;
    parameters[i] = static_cast<float>(p - step.rate * (g / divisor));
  }
}

bool finite(const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return false;
  }
  return true;
}

}  // namespace

const OptimizerStepKernels kOptimizerStepRef{moments, squares, finite};

}  // namespace jetcal::kernels::detail
