// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/sobol.h"

#include <array>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"

namespace jetcal::hpo {

namespace {

constexpr std::size_t kBits = 32;

// A primitive polynomial over the field of two elements, as a binary number, and the first
// direction numbers, one per degree.
struct Direction {
  std::uint32_t polynomial;
  std::array<std::uint32_t, 9> first;
};

// Dimensions 2 to 64 of the published table; the first dimension needs none.
// clang-format off
constexpr std::array<Direction, 63> kDirections{{
    {3, {1}},
    {7, {1, 3}},
    {11, {1, 3, 1}},
    {13, {1, 1, 1}},
    {19, {1, 1, 3, 3}},
    {25, {1, 3, 5, 13}},
    {37, {1, 1, 5, 5, 17}},
    {41, {1, 1, 5, 5, 5}},
    {47, {1, 1, 7, 11, 19}},
    {55, {1, 1, 5, 1, 1}},
    {59, {1, 1, 1, 3, 11}},
    {61, {1, 3, 5, 5, 31}},
    {67, {1, 3, 3, 9, 7, 49}},
    {91, {1, 1, 1, 15, 21, 21}},
    {97, {1, 3, 1, 13, 27, 49}},
    {103, {1, 1, 1, 15, 7, 5}},
    {109, {1, 3, 1, 15, 13, 25}},
    {115, {1, 1, 5, 5, 19, 61}},
    {131, {1, 3, 7, 11, 23, 15, 103}},
    {137, {1, 3, 7, 13, 13, 15, 69}},
    {143, {1, 1, 3, 13, 7, 35, 63}},
    {145, {1, 3, 5, 9, 1, 25, 53}},
    {157, {1, 3, 1, 13, 9, 35, 107}},
    {167, {1, 3, 1, 5, 27, 61, 31}},
    {171, {1, 1, 5, 11, 19, 41, 61}},
    {185, {1, 3, 5, 3, 3, 13, 69}},
    {191, {1, 1, 7, 13, 1, 19, 1}},
    {193, {1, 3, 7, 5, 13, 19, 59}},
    {203, {1, 1, 3, 9, 25, 29, 41}},
    {211, {1, 3, 5, 13, 23, 1, 55}},
    {213, {1, 3, 7, 3, 13, 59, 17}},
    {229, {1, 3, 1, 3, 5, 53, 69}},
    {239, {1, 1, 5, 5, 23, 33, 13}},
    {241, {1, 1, 7, 7, 1, 61, 123}},
    {247, {1, 1, 7, 9, 13, 61, 49}},
    {253, {1, 3, 3, 5, 3, 55, 33}},
    {285, {1, 3, 1, 15, 31, 13, 49, 245}},
    {299, {1, 3, 5, 15, 31, 59, 63, 97}},
    {301, {1, 3, 1, 11, 11, 11, 77, 249}},
    {333, {1, 3, 1, 11, 27, 43, 71, 9}},
    {351, {1, 1, 7, 15, 21, 11, 81, 45}},
    {355, {1, 3, 7, 3, 25, 31, 65, 79}},
    {357, {1, 3, 1, 1, 19, 11, 3, 205}},
    {361, {1, 1, 5, 9, 19, 21, 29, 157}},
    {369, {1, 3, 7, 11, 1, 33, 89, 185}},
    {391, {1, 3, 3, 3, 15, 9, 79, 71}},
    {397, {1, 3, 7, 11, 15, 39, 119, 27}},
    {425, {1, 1, 3, 1, 11, 31, 97, 225}},
    {451, {1, 1, 1, 3, 23, 43, 57, 177}},
    {463, {1, 3, 7, 7, 17, 17, 37, 71}},
    {487, {1, 3, 1, 5, 27, 63, 123, 213}},
    {501, {1, 1, 3, 5, 11, 43, 53, 133}},
    {529, {1, 3, 5, 5, 29, 17, 47, 173, 479}},
    {539, {1, 3, 3, 11, 3, 1, 109, 9, 69}},
    {545, {1, 1, 1, 5, 17, 39, 23, 5, 343}},
    {557, {1, 3, 1, 5, 25, 15, 31, 103, 499}},
    {563, {1, 1, 1, 11, 11, 17, 63, 105, 183}},
    {601, {1, 1, 5, 11, 9, 29, 97, 231, 363}},
    {607, {1, 1, 5, 15, 19, 45, 41, 7, 383}},
    {617, {1, 3, 7, 7, 31, 19, 83, 137, 221}},
    {623, {1, 1, 1, 3, 23, 15, 111, 223, 83}},
    {631, {1, 1, 5, 13, 31, 15, 55, 25, 161}},
    {637, {1, 1, 3, 13, 25, 47, 39, 87, 257}},
}};
// clang-format on

int degree_of(std::uint32_t polynomial) {
  int degree = -1;
  for (; polynomial != 0; polynomial >>= 1) ++degree;
  return degree;
}

std::uint32_t reversed(std::uint32_t x) noexcept {
  x = ((x >> 1) & 0x55555555U) | ((x & 0x55555555U) << 1);
  x = ((x >> 2) & 0x33333333U) | ((x & 0x33333333U) << 2);
  x = ((x >> 4) & 0x0F0F0F0FU) | ((x & 0x0F0F0F0FU) << 4);
  x = ((x >> 8) & 0x00FF00FFU) | ((x & 0x00FF00FFU) << 8);
  return (x >> 16) | (x << 16);
}

// Flips each bit depending on those above it alone, which is what a nested scrambling is; Laine and
// Karras's hash in the constants of Vegdahl (2021).
std::uint32_t scramble(std::uint32_t bits, std::uint32_t seed) noexcept {
  std::uint32_t x = reversed(bits);
  x ^= x * 0x3d20adeaU;
  x += seed;
  x *= (seed >> 16) | 1U;
  x ^= x * 0x05526c56U;
  x ^= x * 0x53a22864U;
  return reversed(x);
}

}  // namespace

Sobol::Sobol(std::size_t dimensions) : dimensions_(dimensions), directions_(dimensions * kBits) {
  if (dimensions > kMaxDimensions)
    fail(ErrorCode::InvalidArgument, "Sobol's sequence is known here for ", kMaxDimensions,
         " parameters, not for ", dimensions);
  for (std::size_t dimension = 0; dimension < dimensions; ++dimension) {
    std::uint32_t* v = &directions_[dimension * kBits];
    if (dimension == 0) {
      for (std::size_t bit = 0; bit < kBits; ++bit) v[bit] = 1U << (kBits - 1 - bit);
      continue;
    }
    const Direction& direction = kDirections[dimension - 1];
    const auto degree = static_cast<std::size_t>(degree_of(direction.polynomial));
    for (std::size_t bit = 0; bit < kBits; ++bit) {
      if (bit < degree) {
        v[bit] = direction.first[bit] << (kBits - 1 - bit);
        continue;
      }
      v[bit] = v[bit - degree] ^ (v[bit - degree] >> degree);
      for (std::size_t k = 1; k < degree; ++k)
        if ((direction.polynomial >> (degree - k)) & 1U) v[bit] ^= v[bit - k];
    }
  }
}

std::uint32_t Sobol::bits(std::uint32_t index, std::size_t dimension) const noexcept {
  const std::uint32_t* v = &directions_[dimension * kBits];
  std::uint32_t gray = index ^ (index >> 1);
  std::uint32_t x = 0;
  for (std::size_t bit = 0; gray != 0; gray >>= 1, ++bit)
    if (gray & 1U) x ^= v[bit];
  return x;
}

std::vector<double> Sobol::point(std::uint32_t index) const {
  std::vector<double> point(dimensions_);
  for (std::size_t i = 0; i < dimensions_; ++i) point[i] = bits(index, i) * 0x1.0p-32;
  return point;
}

std::vector<double> Sobol::scrambled(std::uint32_t index, std::uint64_t seed) const {
  std::vector<double> point(dimensions_);
  for (std::size_t i = 0; i < dimensions_; ++i) {
    const auto key = static_cast<std::uint32_t>(mix64(seed, i));
    // Half a cell off the grid, so that 0 is not special.
    point[i] = (scramble(bits(index, i), key) + 0.5) * 0x1.0p-32;
  }
  return point;
}

}  // namespace jetcal::hpo
