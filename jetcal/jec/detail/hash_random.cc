// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/hash_random.h"

#include <array>
#include <bit>
#include <cmath>
#include <random>

namespace jetcal::jec::detail {

namespace {

// The primes of xxHash (Collet).
constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87ULL;
constexpr std::uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FULL;
constexpr std::uint64_t kPrime3 = 0x165667B19E3779F9ULL;
constexpr std::uint64_t kPrime4 = 0x85EBCA77C2B2AE63ULL;
constexpr std::uint64_t kPrime5 = 0x27D4EB2F165667C5ULL;

std::uint64_t round(std::uint64_t lane, std::uint64_t word) {
  return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}

// PCG XSH RR 64/32 with its default stream (O'Neill).
class Pcg32 {
 public:
  using result_type = std::uint32_t;
  explicit Pcg32(std::uint64_t seed) : state_((seed + kIncrement) * kMultiplier + kIncrement) {}
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xFFFFFFFFU; }
  result_type operator()() {
    const std::uint64_t old = state_;
    state_ = old * kMultiplier + kIncrement;
    return std::rotr(static_cast<std::uint32_t>(((old >> 18U) ^ old) >> 27U),
                     static_cast<int>(old >> 59U));
  }

 private:
  static constexpr std::uint64_t kMultiplier = 6364136223846793005ULL;
  static constexpr std::uint64_t kIncrement = 1442695040888963407ULL;
  std::uint64_t state_;
};

// Marsaglia's polar method on 32-bit numbers, as correctionlib draws its "normal".
double polar_normal(Pcg32& generator) {
  while (true) {
    const double u = std::ldexp(generator(), -31) - 1;
    const double v = std::ldexp(generator(), -31) - 1;
    const double s = u * u + v * v;
    if (s < 1 && s != 0) return u * std::sqrt(-2 * std::log(s) / s);
  }
}

}  // namespace

std::uint64_t real_bits(double x) noexcept { return std::bit_cast<std::uint64_t>(x); }

std::uint64_t integer_bits(double x) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(x));
}

std::uint64_t hash_words(std::span<const std::uint64_t> words) noexcept {
  const std::size_t bytes = 8 * words.size();
  std::uint64_t hash = kPrime5;
  std::size_t at = 0;
  if (words.size() >= 4) {
    std::array<std::uint64_t, 4> lanes{kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
    for (; at + 4 <= words.size(); at += 4)
      for (std::size_t k = 0; k < 4; ++k) lanes[k] = round(lanes[k], words[at + k]);
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
           std::rotl(lanes[3], 18);
    for (const std::uint64_t lane : lanes) hash = (hash ^ round(0, lane)) * kPrime1 + kPrime4;
  }
  hash += bytes;
  for (; at < words.size(); ++at)
    hash = std::rotl(hash ^ round(0, words[at]), 27) * kPrime1 + kPrime4;
  hash = (hash ^ (hash >> 33U)) * kPrime2;
  hash = (hash ^ (hash >> 29U)) * kPrime3;
  return hash ^ (hash >> 32U);
}

double hashed_random(std::span<const std::uint64_t> seed, Distribution distribution) {
  Pcg32 generator(hash_words(seed));
  if (distribution == Distribution::Flat)
    return std::uniform_real_distribution<double>()(generator);
  if (distribution == Distribution::StandardNormal)
    return std::normal_distribution<double>()(generator);
  return polar_normal(generator);
}

}  // namespace jetcal::jec::detail
