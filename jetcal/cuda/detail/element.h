// SPDX-License-Identifier: Apache-2.0
// Reads and writes four neighbouring elements of a row at once, float or bfloat16.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "jetcal/cuda/detail/launch.h"

namespace jetcal::cuda::detail {

/// The upper half of a float.
struct Bf16 {
  std::uint16_t bits;
};

struct Four {
  float at[4];
};

JETCAL_DEVICE inline float to_float(Bf16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16U;
  float result = 0;
  memcpy(&result, &bits, sizeof result);
  return result;
}
JETCAL_DEVICE inline float to_float(float value) { return value; }

/// Rounds to nearest, ties to even; NaN stays NaN.
JETCAL_DEVICE inline Bf16 to_bf16(float value) {
  std::uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
    return {static_cast<std::uint16_t>((bits >> 16U) | 0x40U)};
  }
  return {static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U)};
}

JETCAL_DEVICE inline void store(float* to, float value) { *to = value; }
JETCAL_DEVICE inline void store(Bf16* to, float value) { *to = to_bf16(value); }

// Rows are a multiple of eight elements long and start at 256 bytes, so these addresses are
// multiples of 16 (float) and 8 (bfloat16) bytes.

JETCAL_DEVICE inline Four load4(const float* from) {
#ifdef __CUDA_ARCH__
  const float4 value = *reinterpret_cast<const float4*>(from);
  return {{value.x, value.y, value.z, value.w}};
#else
  return {{from[0], from[1], from[2], from[3]}};
#endif
}

JETCAL_DEVICE inline Four load4(const Bf16* from) {
#ifdef __CUDA_ARCH__
  const ushort4 value = *reinterpret_cast<const ushort4*>(from);
  return {{to_float(Bf16{value.x}), to_float(Bf16{value.y}), to_float(Bf16{value.z}),
           to_float(Bf16{value.w})}};
#else
  return {{to_float(from[0]), to_float(from[1]), to_float(from[2]), to_float(from[3])}};
#endif
}

JETCAL_DEVICE inline void store4(float* to, const Four& value) {
#ifdef __CUDA_ARCH__
  *reinterpret_cast<float4*>(to) = make_float4(value.at[0], value.at[1], value.at[2], value.at[3]);
#else
  for (int c = 0; c < 4; ++c) to[c] = value.at[c];
#endif
}

JETCAL_DEVICE inline void store4(Bf16* to, const Four& value) {
#ifdef __CUDA_ARCH__
  *reinterpret_cast<ushort4*>(to) =
      make_ushort4(to_bf16(value.at[0]).bits, to_bf16(value.at[1]).bits, to_bf16(value.at[2]).bits,
                   to_bf16(value.at[3]).bits);
#else
  for (int c = 0; c < 4; ++c) to[c] = to_bf16(value.at[c]);
#endif
}

/// Replaces what is below zero by zero; NaN stays NaN.
JETCAL_DEVICE inline float relu(float x) { return x < 0 ? 0.0F : x; }

}  // namespace jetcal::cuda::detail
