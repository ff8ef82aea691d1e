// SPDX-License-Identifier: Apache-2.0
// Seeded random numbers that are the same on every machine and library.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace jetcal {

/// Mixes 64 bits so that neighbouring inputs give unrelated outputs (SplitMix64 finaliser).
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// Combines two keys into one, order matters; for seeds such as (run seed, epoch).
constexpr std::uint64_t mix64(std::uint64_t a, std::uint64_t b) noexcept {
  return mix64(mix64(a) ^ (b + 0x632BE59BD9B4E019ULL));
}

/// Generates 64-bit random numbers (xoshiro256**, Blackman and Vigna); its four words are its whole
/// state.
class Rng {
 public:
  using result_type = std::uint64_t;
  explicit Rng(std::uint64_t seed) noexcept;

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return ~result_type{0}; }
  result_type operator()() noexcept;

  /// Draws from [0, 1) with 53 random bits.
  double uniform() noexcept { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }
  /// Draws from [0, bound) without bias; bound > 0.
  std::uint64_t below(std::uint64_t bound) noexcept;
  /// Draws from the standard normal distribution (Marsaglia's polar method, no state kept between
  /// calls).
  double normal() noexcept;
  /// Draws from the Poisson distribution; mean >= 0.
  std::int64_t poisson(double mean) noexcept;
  /// Draws from the exponential distribution with mean 1.
  double exponential() noexcept;

  const std::array<std::uint64_t, 4>& state() const noexcept { return state_; }
  void set_state(const std::array<std::uint64_t, 4>& state) noexcept { state_ = state; }

 private:
  std::array<std::uint64_t, 4> state_;
};

/// Shuffles in place (Fisher and Yates); the same generator state gives the same order everywhere.
template <typename T>
void shuffle(std::span<T> values, Rng& rng) noexcept {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[rng.below(i)]);
}

}  // namespace jetcal
