// SPDX-License-Identifier: Apache-2.0
// Exponential, logarithm and sums across lanes of the vector type in simd.h.
#pragma once

#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

#if defined(__AVX512F__)
inline Lanes minimum(Lanes a, Lanes b) { return _mm512_min_ps(a, b); }
/// Takes a in the selected lanes, b in the others.
inline Lanes select(Mask mask, Lanes a, Lanes b) { return _mm512_mask_blend_ps(mask, b, a); }
inline Integers bits_of(Lanes x) { return _mm512_castps_si512(x); }
inline Lanes from_bits(Integers x) { return _mm512_castsi512_ps(x); }
inline Integers round_to_integers(Lanes x) { return _mm512_cvtps_epi32(x); }
inline Lanes to_lanes(Integers x) { return _mm512_cvtepi32_ps(x); }
inline Integers add(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
inline Integers subtract(Integers a, Integers b) { return _mm512_sub_epi32(a, b); }
inline Integers both_bits(Integers a, Integers b) { return _mm512_and_si512(a, b); }
inline Integers mantissa_up(Integers x) { return _mm512_slli_epi32(x, 23); }
inline Integers exponent_down(Integers x) { return _mm512_srai_epi32(x, 23); }
inline __m256 low_half(Lanes x) { return _mm512_castps512_ps256(x); }
inline __m256 high_half(Lanes x) { return _mm512_extractf32x8_ps(x, 1); }
inline float sum_lanes(Lanes x) {
  const __m256 eight = _mm256_add_ps(low_half(x), high_half(x));
#else
inline Lanes minimum(Lanes a, Lanes b) { return _mm256_min_ps(a, b); }
/// Takes a in the selected lanes, b in the others.
inline Lanes select(Mask mask, Lanes a, Lanes b) {
  return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(mask));
}
inline Integers bits_of(Lanes x) { return _mm256_castps_si256(x); }
inline Lanes from_bits(Integers x) { return _mm256_castsi256_ps(x); }
inline Integers round_to_integers(Lanes x) { return _mm256_cvtps_epi32(x); }
inline Lanes to_lanes(Integers x) { return _mm256_cvtepi32_ps(x); }
inline Integers add(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
inline Integers subtract(Integers a, Integers b) { return _mm256_sub_epi32(a, b); }
inline Integers both_bits(Integers a, Integers b) { return _mm256_and_si256(a, b); }
inline Integers mantissa_up(Integers x) { return _mm256_slli_epi32(x, 23); }
inline Integers exponent_down(Integers x) { return _mm256_srai_epi32(x, 23); }
inline float sum_lanes(Lanes x) {
  const __m256 eight = x;
#endif
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/// The largest lane; no lane is NaN.
inline float largest_lane(Lanes x) {
#if defined(__AVX512F__)
  const __m256 eight = _mm256_max_ps(low_half(x), high_half(x));
#else
  const __m256 eight = x;
#endif
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

// ln 2 in two parts: the first has few bits, so that its multiples are exact.
inline constexpr float kLn2High = 0.693359375F;
inline constexpr float kLn2Low = -2.12194440e-4F;

/// Computes e^x for x <= 0 within 2 units in the last place; what lies below -87 is taken for it.
/// The polynomial is that of Moshier's Cephes library, as the one below.
inline Lanes exponential(Lanes x) {
  x = maximum(broadcast(-87.0F), x);
  const Integers n = round_to_integers(multiply(x, broadcast(1.44269504088896341F)));
  const Lanes whole = to_lanes(n);
  const Lanes r =
      minus_product(whole, broadcast(kLn2Low), minus_product(whole, broadcast(kLn2High), x));
  Lanes p = broadcast(1.9875691500e-4F);
  p = fma(p, r, broadcast(1.3981999507e-3F));
  p = fma(p, r, broadcast(8.3334519073e-3F));
  p = fma(p, r, broadcast(4.1665795894e-2F));
  p = fma(p, r, broadcast(1.6666665459e-1F));
  p = fma(p, r, broadcast(5.0000001201e-1F));
  const Lanes fraction = add(fma(p, multiply(r, r), r), broadcast(1.0F));
  return multiply(fraction, from_bits(mantissa_up(add(n, broadcast_integer(127)))));
}

/// Computes ln x for normal x > 0 within 2 units in the last place of the larger of ln x and 1.
inline Lanes logarithm(Lanes x) {
  const Integers root_of_half = broadcast_integer(0x3F3504F3);
  const Integers shifted = subtract(bits_of(x), root_of_half);
  const Lanes exponent = to_lanes(exponent_down(shifted));
  const Lanes mantissa =
      from_bits(add(both_bits(shifted, broadcast_integer(0x007FFFFF)), root_of_half));
  const Lanes f = subtract(mantissa, broadcast(1.0F));
  Lanes p = broadcast(7.0376836292e-2F);
  p = fma(p, f, broadcast(-1.1514610310e-1F));
  p = fma(p, f, broadcast(1.1676998740e-1F));
  p = fma(p, f, broadcast(-1.2420140846e-1F));
  p = fma(p, f, broadcast(1.4249322787e-1F));
  p = fma(p, f, broadcast(-1.6668057665e-1F));
  p = fma(p, f, broadcast(2.0000714765e-1F));
  p = fma(p, f, broadcast(-2.4999993993e-1F));
  p = fma(p, f, broadcast(3.3333331174e-1F));
  const Lanes square = multiply(f, f);
  Lanes low = fma(exponent, broadcast(kLn2Low), multiply(multiply(p, f), square));
  low = minus_product(broadcast(0.5F), square, low);
  return fma(exponent, broadcast(kLn2High), add(f, low));
}

}  // namespace
}  // namespace jetcal::kernels::detail
