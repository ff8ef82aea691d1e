// SPDX-License-Identifier: Apache-2.0
// Sixteen floats in a register.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace jetcal::kernels::detail {
namespace {

inline constexpr std::int64_t kLanes = 16;

using Lanes = __m512;
/// Selects the first lanes.
using Mask = __mmask16;
/// Holds kLanes doubles.
struct Doubles {
  __m512d low, high;
};

inline Lanes zero() { return _mm512_setzero_ps(); }
inline Lanes broadcast(float x) { return _mm512_set1_ps(x); }
inline Lanes load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Lanes x) { _mm512_storeu_ps(p, x); }

/// Selects lanes [0, count), count <= kLanes.
inline Mask first_lanes(std::int64_t count) { return static_cast<Mask>((1U << count) - 1U); }
/// Reads the selected lanes only; the others are zero.
inline Lanes load(const float* p, Mask mask) { return _mm512_maskz_loadu_ps(mask, p); }
inline void store(float* p, Mask mask, Lanes x) { _mm512_mask_storeu_ps(p, mask, x); }

/// Reads the selected of kLanes / kTimes floats (1, 2 or 4 times), zeros for the others, each one
/// kTimes lanes in a row.
template <int kTimes>
Lanes load_each(const float* p, Mask mask) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_permutexvar_ps(_mm512_srli_epi32(lane, kTimes / 2), load(p, mask));
}
template <int kTimes>
Lanes load_each(const float* p) {
  return load_each<kTimes>(p, first_lanes(kLanes / kTimes));
}
/// Adds up the lanes i, i + kCount, i + 2 kCount ... in lane i < kCount (1, 2 or 4); the others get
/// zeros.
template <int kCount>
Lanes fold(Lanes x) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  if constexpr (kCount <= 2) sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  if constexpr (kCount == 1) sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm512_maskz_mov_ps(first_lanes(kCount), _mm512_zextps128_ps512(sum));
}

inline Lanes add(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }
inline Lanes subtract(Lanes a, Lanes b) { return _mm512_sub_ps(a, b); }
inline Lanes multiply(Lanes a, Lanes b) { return _mm512_mul_ps(a, b); }
inline Lanes divide(Lanes a, Lanes b) { return _mm512_div_ps(a, b); }
inline Lanes square_root(Lanes x) { return _mm512_sqrt_ps(x); }
/// a b + c, rounded once.
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
/// c - a b, rounded once.
inline Lanes minus_product(Lanes a, Lanes b, Lanes c) { return _mm512_fnmadd_ps(a, b, c); }
/// The larger of both, or x where either is NaN.
inline Lanes maximum(Lanes floor, Lanes x) { return _mm512_max_ps(floor, x); }
/// Zero where x is below zero; NaN stays.
inline Lanes relu(Lanes x) { return maximum(zero(), x); }
/// grad where y is above zero or NaN, else zero.
inline Lanes relu_gradient(Lanes y, Lanes grad) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, zero(), _CMP_NLE_UQ), grad);
}

inline Doubles zero_doubles() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
inline Doubles to_doubles(Lanes x) {
  return {_mm512_cvtps_pd(_mm512_castps512_ps256(x)),
          _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))};
}
inline Doubles add(Doubles a, Doubles b) {
  return {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}
inline Doubles subtract(Doubles a, Doubles b) {
  return {_mm512_sub_pd(a.low, b.low), _mm512_sub_pd(a.high, b.high)};
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
  return {_mm512_fmadd_pd(a.low, b.low, c.low), _mm512_fmadd_pd(a.high, b.high, c.high)};
}
inline void store(double* p, Doubles x) {
  _mm512_storeu_pd(p, x.low);
  _mm512_storeu_pd(p + 8, x.high);
}

/// Writes squared distances as integers of the same order; NaN becomes infinity.
inline void store_keys(std::int32_t* p, Lanes squared_distance) {
  const Lanes infinity = _mm512_castsi512_ps(_mm512_set1_epi32(0x7F800000));
  // min_ps returns its second operand when one is NaN.
  const Lanes bounded = _mm512_min_ps(squared_distance, infinity);
  _mm512_storeu_si512(p, _mm512_castps_si512(bounded));
}
/// Tells by bits which of kLanes keys lie below the limit.
inline unsigned keys_below(const std::int32_t* p, std::int32_t limit) {
  return _mm512_cmplt_epi32_mask(_mm512_loadu_si512(p), _mm512_set1_epi32(limit));
}

/// Holds kLanes keys or row numbers.
using Integers = __m512i;
inline Integers broadcast_integer(std::int32_t x) { return _mm512_set1_epi32(x); }
inline Integers load_integers(const std::int32_t* p) { return _mm512_loadu_si512(p); }
inline void store(std::int32_t* p, Integers x) { _mm512_storeu_si512(p, x); }
inline void store(std::int32_t* p, Mask mask, Integers x) { _mm512_mask_storeu_epi32(p, mask, x); }
/// 0, 1, 2 and so on.
inline Integers lane_numbers() {
  return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
/// count + 1 where x is greater than limit, else count.
inline Integers add_greater(Integers x, Integers limit, Integers count) {
  return _mm512_mask_add_epi32(count, _mm512_cmpgt_epi32_mask(x, limit), count,
                               _mm512_set1_epi32(1));
}
/// count - 1 where x is greater than limit, else count.
inline Integers subtract_greater(Integers x, Integers limit, Integers count) {
  return _mm512_mask_sub_epi32(count, _mm512_cmpgt_epi32_mask(x, limit), count,
                               _mm512_set1_epi32(1));
}
inline Integers minimum(Integers a, Integers b) { return _mm512_min_epi32(a, b); }
inline Integers maximum(Integers a, Integers b) { return _mm512_max_epi32(a, b); }
/// a where x is greater than limit, else b.
inline Integers where_greater(Integers x, Integers limit, Integers a, Integers b) {
  return _mm512_mask_blend_epi32(_mm512_cmpgt_epi32_mask(x, limit), b, a);
}
/// Moves every lane up by one and the last one to the front.
inline Integers rotate(Integers x) {
  const __m512i from = _mm512_setr_epi32(15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
  return _mm512_permutexvar_epi32(from, x);
}
/// Takes lane 0 of `first` and the others of x.
inline Integers replace_first(Integers x, Integers first) {
  return _mm512_mask_blend_epi32(1, x, first);
}
inline std::int32_t lane(Integers x, std::int64_t i) {
  const __m512i index = _mm512_set1_epi32(static_cast<int>(i));
  return _mm512_cvtsi512_si32(_mm512_permutexvar_epi32(index, x));
}

}  // namespace
}  // namespace jetcal::kernels::detail
