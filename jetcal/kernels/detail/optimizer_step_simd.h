// SPDX-License-Identifier: Apache-2.0
// The vector variant of optimizer_step.h, for any width.
#pragma once

#include "jetcal/kernels/detail/optimizer_step_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

struct MomentLanes {
  explicit MomentLanes(const MomentStep& step)
      : keep(broadcast(step.keep)),
        shrink(broadcast(step.shrink)),
        beta1(broadcast(step.beta1)),
        gain1(broadcast(step.gain1)),
        beta2(broadcast(step.beta2)),
        gain2(broadcast(step.gain2)),
        rate(broadcast(step.rate)),
        scale(broadcast(step.scale)),
        epsilon(broadcast(step.epsilon)),
        alpha(broadcast(step.alpha)) {}
  Lanes keep, shrink, beta1, gain1, beta2, gain2, rate, scale, epsilon, alpha;
};

// Updates m and v and returns the new parameters, before any pull towards slow weights.
template <bool kScaled>
inline Lanes moment_update(const MomentLanes& step, Lanes gradient, Lanes p, Lanes& m, Lanes& v) {
  const Lanes g = fma(step.shrink, p, gradient);
  m = fma(step.beta1, m, multiply(step.gain1, g));
  v = fma(step.beta2, v, multiply(step.gain2, multiply(g, g)));
  const Lanes kept = multiply(step.keep, p);
  if constexpr (!kScaled) return minus_product(step.rate, m, kept);
  const Lanes quotient = divide(m, fma(step.scale, square_root(v), step.epsilon));
  return minus_product(step.rate, quotient, kept);
}

template <bool kScaled, bool kSlow>
inline void moments_of(const MomentStep& step, const float* gradient, float* parameters,
                       float* average, float* square, float* slow, std::int64_t n) {
  const MomentLanes lanes(step);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes m = load(average + i);
    Lanes v = load(square + i);
    Lanes p = moment_update<kScaled>(lanes, load(gradient + i), load(parameters + i), m, v);
    if constexpr (kSlow) {
      const Lanes s = load(slow + i);
      p = fma(lanes.alpha, subtract(p, s), s);
      store(slow + i, p);
    }
    store(average + i, m);
    store(square + i, v);
    store(parameters + i, p);
  }
  if (i == n) return;
  const Mask last = first_lanes(n - i);
  Lanes m = load(average + i, last);
  Lanes v = load(square + i, last);
  Lanes p =
      moment_update<kScaled>(lanes, load(gradient + i, last), load(parameters + i, last), m, v);
  if constexpr (kSlow) {
    const Lanes s = load(slow + i, last);
    p = fma(lanes.alpha, subtract(p, s), s);
    store(slow + i, last, p);
  }
  store(average + i, last, m);
  store(square + i, last, v);
  store(parameters + i, last, p);
}

inline void moments_all(const MomentStep& step, const float* gradient, float* parameters,
                        float* average, float* square, float* slow, std::int64_t n) {
  if (step.scaled && slow != nullptr) {
    moments_of<true, true>(step, gradient, parameters, average, square, slow, n);
  } else if (step.scaled) {
    moments_of<true, false>(step, gradient, parameters, average, square, slow, n);
  } else if (slow != nullptr) {
    moments_of<false, true>(step, gradient, parameters, average, square, slow, n);
  } else {
    moments_of<false, false>(step, gradient, parameters, average, square, slow, n);
  }
}

struct SquareLanes {
  explicit SquareLanes(const SquareStep& step)
      : shrink(broadcast(step.shrink)),
        decay(broadcast(step.decay)),
        gain(broadcast(step.gain)),
        rate(broadcast(step.rate)),
        epsilon(broadcast(step.epsilon)) {}
  Lanes shrink, decay, gain, rate, epsilon;
};

inline Lanes square_update(const SquareLanes& step, Lanes gradient, Lanes p, Lanes& s) {
  const Lanes g = fma(step.shrink, p, gradient);
  s = fma(step.decay, s, multiply(step.gain, multiply(g, g)));
  return minus_product(step.rate, divide(g, add(square_root(s), step.epsilon)), p);
}

inline void squares_all(const SquareStep& step, const float* gradient, float* parameters,
                        float* square, std::int64_t n) {
  const SquareLanes lanes(step);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes s = load(square + i);
    const Lanes p = square_update(lanes, load(gradient + i), load(parameters + i), s);
    store(square + i, s);
    store(parameters + i, p);
  }
  if (i == n) return;
  const Mask last = first_lanes(n - i);
  Lanes s = load(square + i, last);
  const Lanes p = square_update(lanes, load(gradient + i, last), load(parameters + i, last), s);
  store(square + i, last, s);
  store(parameters + i, last, p);
}

inline bool finite_all(const float* x, std::int64_t n) {
  // x - x is zero for a finite number and NaN for all others.
  Lanes sum[4] = {zero(), zero(), zero(), zero()};
  std::int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int u = 0; u < 4; ++u) {
      const Lanes value = load(x + i + u * kLanes);
      sum[u] = add(sum[u], subtract(value, value));
    }
  }
  for (; i < n; i += kLanes) {
    const Mask mask = first_lanes(n - i < kLanes ? n - i : kLanes);
    const Lanes value = load(x + i, mask);
    sum[0] = add(sum[0], subtract(value, value));
  }
  float sums[kLanes];
  store(sums, add(add(sum[0], sum[1]), add(sum[2], sum[3])));
  for (const float lane : sums) {
    if (!(lane == 0)) return false;
  }
  return true;
}

}  // namespace
}  // namespace jetcal::kernels::detail
