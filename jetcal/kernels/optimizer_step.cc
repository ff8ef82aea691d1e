// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/optimizer_step.h"

#include <atomic>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/optimizer_step_kernels.h"

namespace jetcal::kernels {
namespace {

const detail::OptimizerStepKernels& variant() {
  return detail::pick(kernel_isa(), detail::kOptimizerStepRef, detail::kOptimizerStepAvx2,
                      detail::kOptimizerStepAvx512);
}

constexpr std::int64_t kGrain = detail::row_grain(1);

void run(const detail::MomentStep& step, std::span<const float> gradient,
         std::span<float> parameters, std::span<float> average, std::span<float> square,
         float* slow) {
  JETCAL_DCHECK(gradient.size() == parameters.size() && gradient.size() == average.size());
  JETCAL_DCHECK(gradient.size() == square.size());
  const auto& kernels = variant();
  parallel_for(std::ssize(gradient), kGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.moments(step, gradient.data() + begin, parameters.data() + begin,
                    average.data() + begin, square.data() + begin,
                    slow == nullptr ? nullptr : slow + begin, end - begin);
  });
}

void run(const detail::SquareStep& step, std::span<const float> gradient,
         std::span<float> parameters, std::span<float> square) {
  JETCAL_DCHECK(gradient.size() == parameters.size() && gradient.size() == square.size());
  const auto& kernels = variant();
  parallel_for(std::ssize(gradient), kGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.squares(step, gradient.data() + begin, parameters.data() + begin, square.data() + begin,
                    end - begin);
  });
}

float single(double x) { return static_cast<float>(x); }

}  // namespace

void adam_step(const AdamStep& step, std::span<const float> gradient, std::span<float> parameters,
               std::span<float> average, std::span<float> square) {
  JETCAL_DCHECK(step.step >= 1);
  const auto t = static_cast<double>(step.step);
  detail::MomentStep raw;
  if (step.decay_apart) {
    raw.keep = single(1 - step.learning_rate * step.weight_decay);
  } else {
    raw.shrink = single(step.weight_decay);
  }
  raw.beta1 = single(step.beta1);
  raw.gain1 = single(1 - step.beta1);
  raw.beta2 = single(step.beta2);
  raw.gain2 = single(1 - step.beta2);
  raw.rate = single(step.learning_rate / (1 - std::pow(step.beta1, t)));
  raw.scale = single(1 / std::sqrt(1 - std::pow(step.beta2, t)));
  raw.epsilon = single(step.epsilon);
  run(raw, gradient, parameters, average, square, nullptr);
}

void ranger_step(const RangerStep& step, std::span<const float> gradient,
                 std::span<float> parameters, std::span<float> average, std::span<float> square,
                 std::span<float> slow) {
  JETCAL_DCHECK(step.step >= 1 && step.lookahead_steps >= 1 && slow.size() == gradient.size());
  constexpr double kLeastVarianceLength = 5;
  const auto t = static_cast<double>(step.step);
  const double power = std::pow(step.beta2, t);
  const double rho_max = 2 / (1 - step.beta2) - 1;
  const double rho = rho_max - 2 * t * power / (1 - power);
  const double rate = step.learning_rate / (1 - std::pow(step.beta1, t));
  detail::MomentStep raw;
  raw.keep = single(1 - step.learning_rate * step.weight_decay);
  raw.beta1 = single(step.beta1);
  raw.gain1 = single(1 - step.beta1);
  raw.beta2 = single(step.beta2);
  raw.gain2 = single(1 - step.beta2);
  raw.scaled = rho > kLeastVarianceLength;
  raw.rate = single(rate);
  if (raw.scaled) {
    const double rectification =
        std::sqrt((rho - 4) * (rho - 2) * rho_max / ((rho_max - 4) * (rho_max - 2) * rho));
    raw.rate = single(rate * rectification * std::sqrt(1 - power));
  }
  raw.epsilon = single(step.epsilon);
  raw.alpha = single(step.lookahead_alpha);
  const bool pull = step.step % step.lookahead_steps == 0;
  run(raw, gradient, parameters, average, square, pull ? slow.data() : nullptr);
}

void adagrad_step(const AdagradStep& step, std::span<const float> gradient,
                  std::span<float> parameters, std::span<float> sum) {
  detail::SquareStep raw;
  raw.shrink = single(step.weight_decay);
  raw.rate = single(step.learning_rate);
  raw.epsilon = single(step.epsilon);
  run(raw, gradient, parameters, sum);
}

void rmsprop_step(const RmspropStep& step, std::span<const float> gradient,
                  std::span<float> parameters, std::span<float> square) {
  detail::SquareStep raw;
  raw.shrink = single(step.weight_decay);
  raw.decay = single(step.alpha);
  raw.gain = single(1 - step.alpha);
  raw.rate = single(step.learning_rate);
  raw.epsilon = single(step.epsilon);
  run(raw, gradient, parameters, square);
}

bool all_finite(std::span<const float> x) {
  const auto& kernels = variant();
  std::atomic<bool> finite = true;
  parallel_for(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (!kernels.finite(x.data() + begin, end - begin)) finite = false;
  });
  return finite;
}

}  // namespace jetcal::kernels
