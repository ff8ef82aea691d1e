// SPDX-License-Identifier: Apache-2.0
// Picks the table of functions of the variant in use.
#pragma once

#include <cstdint>

#include "jetcal/kernels/isa.h"

namespace jetcal::kernels::detail {

/// Returns the table of the variant, Avx512's for Amx; tables are constants of the program.
template <typename Table>
const Table& pick(Isa isa, const Table& ref, const Table& avx2, const Table& avx512) {
  if (isa >= Isa::Avx512) return avx512;
  return isa == Isa::Avx2 ? avx2 : ref;
}

/// Returns how many rows of `channels` elements make a range worth handing to a thread.
constexpr std::int64_t row_grain(std::int64_t channels) noexcept {
  constexpr std::int64_t kElements = 16384;  // some microseconds of work, ten times the hand-over
  return channels < kElements ? kElements / (channels > 0 ? channels : 1) : 1;
}

}  // namespace jetcal::kernels::detail
