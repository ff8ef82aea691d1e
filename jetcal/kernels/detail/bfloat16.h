// SPDX-License-Identifier: Apache-2.0
// Converts between float and its upper half.
#pragma once

#include <cstdint>
#include <cstring>

namespace jetcal::kernels::detail {

/// Rounds to nearest, ties to even; NaN stays.
static inline std::uint16_t to_bfloat16(float value) noexcept {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

static inline float from_bfloat16(std::uint16_t half) noexcept {
  const std::uint32_t bits = std::uint32_t{half} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace jetcal::kernels::detail
