// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/random.h"

#include <algorithm>
#include <cmath>

namespace jetcal {

Rng::Rng(std::uint64_t seed) noexcept : state_{} {
  for (std::uint64_t& word : state_) {
    word = mix64(seed);
    seed += 0x9E3779B97F4A7C15ULL;
  }
}

Rng::result_type Rng::operator()() noexcept {
  const auto rotate = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
  const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotate(state_[3], 45);
  return result;
}

std::uint64_t Rng::below(std::uint64_t bound) noexcept {
  // Lemire: multiply, and redraw the few values that would make some results likelier.
  unsigned __int128 product = static_cast<unsigned __int128>((*this)()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = -bound % bound;
    while (static_cast<std::uint64_t>(product) < threshold)
      product = static_cast<unsigned __int128>((*this)()) * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Rng::normal() noexcept {
  for (;;) {
    const double u = 2 * uniform() - 1;
    const double v = 2 * uniform() - 1;
    const double s = u * u + v * v;
    if (s > 0 && s < 1) return u * std::sqrt(-2 * std::log(s) / s);
  }
}

std::int64_t Rng::poisson(double mean) noexcept {
  std::int64_t total = 0;
  // The sum of Poisson numbers is a Poisson number: halve until exp(-mean) is far from underflow.
  while (mean > 30) {
    const double part = std::min(mean, 30.0);
    const double limit = std::exp(-part);
    for (double product = uniform(); product > limit; product *= uniform()) ++total;
    mean -= part;
  }
  const double limit = std::exp(-mean);
  for (double product = uniform(); product > limit; product *= uniform()) ++total;
  return total;
}

double Rng::exponential() noexcept { return -std::log1p(-uniform()); }

}  // namespace jetcal
