// SPDX-License-Identifier: Apache-2.0
// Random numbers that depend on inputs only: the hashprng nodes of correctionlib.
#pragma once

#include <cstdint>
#include <span>

#include "jetcal/jec/detail/correction_tree.h"

namespace jetcal::jec::detail {

/// Returns the bits that a real or an integer input adds to the seed.
std::uint64_t real_bits(double x) noexcept;
std::uint64_t integer_bits(double x) noexcept;

/// Hashes words with XXH64, seed 0.
std::uint64_t hash_words(std::span<const std::uint64_t> words) noexcept;

/// Draws a number from a PCG32 generator (one sequence) seeded with the hash of `seed`.
double hashed_random(std::span<const std::uint64_t> seed, Distribution distribution);

}  // namespace jetcal::jec::detail
