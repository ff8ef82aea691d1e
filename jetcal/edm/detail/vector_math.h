// SPDX-License-Identifier: Apache-2.0
// Logarithms and angles of four floats at once, for the features of particles.
//
// Written with the compiler's portable vectors and without fused products: the same bits on every
// CPU, and nothing to install where only the networks are built. The C library's functions were
// most of the loader's time.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace jetcal::edm::detail {

inline constexpr std::int64_t kVectorWidth = 4;
using Floats4 = float __attribute__((vector_size(16)));
using Ints4 = std::int32_t __attribute__((vector_size(16)));

inline Floats4 all(float x) { return Floats4{x, x, x, x}; }
inline Ints4 all(std::int32_t x) { return Ints4{x, x, x, x}; }
inline Floats4 load4(const float* p) {
  Floats4 x;
  std::memcpy(&x, p, sizeof(x));
  return x;
}
inline void store4(float* p, Floats4 x) { std::memcpy(p, &x, sizeof(x)); }
inline Ints4 bits(Floats4 x) { return std::bit_cast<Ints4>(x); }
inline Floats4 floats(Ints4 x) { return std::bit_cast<Floats4>(x); }

/// Returns log(x) for positive finite x, subnormal ones too, within 1.5 units in the last place of
/// the result or of 0.1, whichever is larger.
inline Floats4 log4(Floats4 x) {
  constexpr float kSmallestNormal = 0x1p-126F;
  const Ints4 subnormal = x < kSmallestNormal;
  x = subnormal ? x * 0x1p23F : x;
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)): subtracting the bits of sqrt(1/2) moves the border.
  constexpr std::int32_t kHalfRoot = 0x3F3504F3;
  const Ints4 shifted = bits(x) - kHalfRoot;
  const Ints4 exponent = (shifted >> 23) - (subnormal ? all(23) : all(0));
  const Floats4 f = floats((shifted & 0x007FFFFF) + kHalfRoot) - 1.0F;
  // Cephes' minimax polynomial for (log(1 + f) - f + f^2 / 2) / f^3.
  Floats4 p = all(7.0376836292e-2F);
  p = p * f - 1.1514610310e-1F;
  p = p * f + 1.1676998740e-1F;
  p = p * f - 1.2420140846e-1F;
  p = p * f + 1.4249322787e-1F;
  p = p * f - 1.6668057665e-1F;
  p = p * f + 2.0000714765e-1F;
  p = p * f - 2.4999993993e-1F;
  p = p * f + 3.3333331174e-1F;
  const Floats4 f2 = f * f;
  const Floats4 e = __builtin_convertvector(exponent, Floats4);
  // log 2 in two parts: the product of the first with an exponent is exact.
  const Floats4 low = p * f * f2 + e * -2.12194440e-4F - 0.5F * f2;
  return f + low + e * 0.693359375F;
}

/// Returns atan2(y, x) with the C library's signs and corner cases, within 3 units in the last
/// place; |x| and |y| up to 1e38.
inline Floats4 atan2_4(Floats4 y, Floats4 x) {
  constexpr std::int32_t kSign = INT32_MIN;
  const Floats4 abs_x = floats(bits(x) & ~kSign);
  const Floats4 abs_y = floats(bits(y) & ~kSign);
  const Ints4 steep = abs_y > abs_x;
  const Floats4 larger = steep ? abs_y : abs_x;
  const Floats4 smaller = steep ? abs_x : abs_y;
  // Beyond tan(pi / 8): atan(s / l) = pi / 4 + atan((s - l) / (s + l)).
  const Ints4 upper = smaller > larger * 0.414213562F;
  const Floats4 divisor = upper ? smaller + larger : larger;
  const Floats4 a = (upper ? smaller - larger : smaller) / (divisor == 0.0F ? all(1.0F) : divisor);
  const Floats4 z = a * a;
  Floats4 p = all(8.05374449538e-2F);
  p = p * z - 1.38776856032e-1F;
  p = p * z + 1.99777106478e-1F;
  p = p * z - 3.33329491539e-1F;
  Floats4 angle = p * z * a + a;
  // pi / 4, pi / 2 and pi as float, and what float leaves out.
  angle = upper ? 0.785398185F + (angle - 2.18556950e-8F) : angle;
  angle = steep ? 1.57079637F - (angle + 4.37113900e-8F) : angle;
  angle = bits(x) < 0 ? 3.14159274F - (angle + 8.74227800e-8F) : angle;
  return floats(bits(angle) | (bits(y) & kSign));
}

}  // namespace jetcal::edm::detail
