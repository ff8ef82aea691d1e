// SPDX-License-Identifier: Apache-2.0
// Steps of optimizers over one flat buffer of parameters, each in one pass over memory.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::kernels {

// All spans have one size. All functions use parallel_for and are thread-safe on different memory;
// the bits do not depend on the number of threads. A square that overflows stays infinite: its
// parameter no longer moves, and nothing becomes NaN from finite gradients.

/// Sets one step of Adam (Kingma and Ba) or AdamW (Loshchilov and Hutter).
struct AdamStep {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;
  /// AdamW: weights shrink by learning_rate * weight_decay; otherwise weight_decay * weight is
  /// added to the gradient.
  bool decay_apart = false;
  std::int64_t step = 1;  ///< This one's number, from 1.
};

/// Updates the parameters and the running means of the gradient and its square.
void adam_step(const AdamStep& step, std::span<const float> gradient, std::span<float> parameters,
               std::span<float> average, std::span<float> square);

/// Sets one step of Ranger: RAdam (Liu et al.) inside Lookahead (Zhang et al.). Weight decay is
/// apart from the gradient.
struct RangerStep {
  double learning_rate = 1e-3;
  double beta1 = 0.95, beta2 = 0.999, epsilon = 1e-5;
  double weight_decay = 0;
  std::int64_t lookahead_steps = 6;  ///< Every so many steps ...
  double lookahead_alpha = 0.5;      ///< ... slow weights go this far towards the fast ones.
  std::int64_t step = 1;             ///< This one's number, from 1.
};

/// Updates the parameters, both running means and, every lookahead_steps, the slow weights, which
/// then are the parameters too.
///
/// While the length of the variance estimate is 5 or less (RAdam's paper says 4, its authors' code
/// 5) the momentum alone is followed.
void ranger_step(const RangerStep& step, std::span<const float> gradient,
                 std::span<float> parameters, std::span<float> average, std::span<float> square,
                 std::span<float> slow);

/// Sets one step of AdaGrad (Duchi, Hazan and Singer).
struct AdagradStep {
  double learning_rate = 1e-2;
  double epsilon = 1e-10;
  double weight_decay = 0;  ///< weight_decay * weight is added to the gradient.
};

/// Updates the parameters and the sum of squared gradients.
void adagrad_step(const AdagradStep& step, std::span<const float> gradient,
                  std::span<float> parameters, std::span<float> sum);

/// Sets one step of RMSprop (Tieleman and Hinton), without momentum, not centred.
struct RmspropStep {
  double learning_rate = 1e-2;
  double alpha = 0.99, epsilon = 1e-8;
  double weight_decay = 0;  ///< weight_decay * weight is added to the gradient.
};

/// Updates the parameters and the running mean of the squared gradient.
void rmsprop_step(const RmspropStep& step, std::span<const float> gradient,
                  std::span<float> parameters, std::span<float> square);

/// Tells whether no value is infinite or NaN.
bool all_finite(std::span<const float> x);

}  // namespace jetcal::kernels
