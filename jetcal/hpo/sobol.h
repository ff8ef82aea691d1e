// SPDX-License-Identifier: Apache-2.0
// Sobol's sequence: points that fill a cube more evenly than random ones.
#pragma once

#include <cstdint>
#include <vector>

namespace jetcal::hpo {

/// Sobol's sequence with the direction numbers of Joe and Kuo (2008, "new-joe-kuo-6"), scrambled
/// after Owen by a hash (Burley 2020), so that every seed gives another sequence as even.
class Sobol {
 public:
  static constexpr std::size_t kMaxDimensions = 64;
  /// Requires dimensions <= kMaxDimensions.
  explicit Sobol(std::size_t dimensions);

  /// The point of an index, 0, 1, ..., each coordinate in [0, 1).
  std::vector<double> point(std::uint32_t index) const;
  std::vector<double> scrambled(std::uint32_t index, std::uint64_t seed) const;

 private:
  std::uint32_t bits(std::uint32_t index, std::size_t dimension) const noexcept;

  std::size_t dimensions_;
  std::vector<std::uint32_t> directions_;  // [dimensions, 32]
};

}  // namespace jetcal::hpo
