// SPDX-License-Identifier: Apache-2.0
// Eight floats in a register.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace jetcal::kernels::detail {
namespace {

inline constexpr std::int64_t kLanes = 8;

using Lanes = __m256;
/// Selects the first lanes; the sign bit of an element counts.
using Mask = __m256i;
/// Holds kLanes doubles.
struct Doubles {
  __m256d low, high;
};

inline Lanes zero() { return _mm256_setzero_ps(); }
inline Lanes broadcast(float x) { return _mm256_set1_ps(x); }
inline Lanes load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Lanes x) { _mm256_storeu_ps(p, x); }

/// Selects lanes [0, count), count <= kLanes.
inline Mask first_lanes(std::int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}
/// Reads the selected lanes only; the others are zero.
inline Lanes load(const float* p, Mask mask) { return _mm256_maskload_ps(p, mask); }
inline void store(float* p, Mask mask, Lanes x) { _mm256_maskstore_ps(p, mask, x); }

/// Reads kLanes / kTimes floats (once or twice), each one kTimes lanes in a row.
template <int kTimes>
Lanes load_each(const float* p) {
  if constexpr (kTimes == 1) return load(p);
  const __m256 four = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p));
  return _mm256_permutevar_ps(four, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}
/// The same from the selected floats only; zeros for the others.
template <int kTimes>
Lanes load_each(const float* p, Mask mask) {
  if constexpr (kTimes == 1) return load(p, mask);
  return _mm256_permutevar8x32_ps(load(p, mask), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}
/// Adds up the lanes i, i + kCount, i + 2 kCount ... in lane i < kCount (1 or 2); the others get
/// zeros.
template <int kCount>
Lanes fold(Lanes x) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  if constexpr (kCount == 1) {
    sum = _mm_move_ss(_mm_setzero_ps(), _mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }
  return _mm256_zextps128_ps256(_mm_movelh_ps(sum, _mm_setzero_ps()));
}

inline Lanes add(Lanes a, Lanes b) { return _mm256_add_ps(a, b); }
inline Lanes subtract(Lanes a, Lanes b) { return _mm256_sub_ps(a, b); }
inline Lanes multiply(Lanes a, Lanes b) { return _mm256_mul_ps(a, b); }
inline Lanes divide(Lanes a, Lanes b) { return _mm256_div_ps(a, b); }
inline Lanes square_root(Lanes x) { return _mm256_sqrt_ps(x); }
/// a b + c, rounded once.
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
/// c - a b, rounded once.
inline Lanes minus_product(Lanes a, Lanes b, Lanes c) { return _mm256_fnmadd_ps(a, b, c); }
/// The larger of both, or x where either is NaN.
inline Lanes maximum(Lanes floor, Lanes x) { return _mm256_max_ps(floor, x); }
/// Zero where x is below zero; NaN stays.
inline Lanes relu(Lanes x) { return maximum(zero(), x); }
/// grad where y is above zero or NaN, else zero.
inline Lanes relu_gradient(Lanes y, Lanes grad) {
  return _mm256_and_ps(grad, _mm256_cmp_ps(y, zero(), _CMP_NLE_UQ));
}

inline Doubles zero_doubles() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
inline Doubles to_doubles(Lanes x) {
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
}
inline Doubles add(Doubles a, Doubles b) {
  return {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}
inline Doubles subtract(Doubles a, Doubles b) {
  return {_mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high)};
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
  return {_mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high)};
}
inline void store(double* p, Doubles x) {
  _mm256_storeu_pd(p, x.low);
  _mm256_storeu_pd(p + 4, x.high);
}

/// Writes squared distances as integers of the same order; NaN becomes infinity.
inline void store_keys(std::int32_t* p, Lanes squared_distance) {
  const Lanes infinity = _mm256_castsi256_ps(_mm256_set1_epi32(0x7F800000));
  // min_ps returns its second operand when one is NaN.
  const Lanes bounded = _mm256_min_ps(squared_distance, infinity);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_castps_si256(bounded));
}
/// Tells by bits which of kLanes keys lie below the limit.
inline unsigned keys_below(const std::int32_t* p, std::int32_t limit) {
  const __m256i keys = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), keys);
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(below)));
}

/// Holds kLanes keys or row numbers.
using Integers = __m256i;
inline Integers broadcast_integer(std::int32_t x) { return _mm256_set1_epi32(x); }
inline Integers load_integers(const std::int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline void store(std::int32_t* p, Integers x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
}
inline void store(std::int32_t* p, Mask mask, Integers x) { _mm256_maskstore_epi32(p, mask, x); }
/// 0, 1, 2 and so on.
inline Integers lane_numbers() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
/// count + 1 where x is greater than limit, else count.
inline Integers add_greater(Integers x, Integers limit, Integers count) {
  return _mm256_sub_epi32(count, _mm256_cmpgt_epi32(x, limit));
}
/// count - 1 where x is greater than limit, else count.
inline Integers subtract_greater(Integers x, Integers limit, Integers count) {
  return _mm256_add_epi32(count, _mm256_cmpgt_epi32(x, limit));
}
inline Integers minimum(Integers a, Integers b) { return _mm256_min_epi32(a, b); }
inline Integers maximum(Integers a, Integers b) { return _mm256_max_epi32(a, b); }
/// a where x is greater than limit, else b.
inline Integers where_greater(Integers x, Integers limit, Integers a, Integers b) {
  return _mm256_blendv_epi8(b, a, _mm256_cmpgt_epi32(x, limit));
}
/// Moves every lane up by one and the last one to the front.
inline Integers rotate(Integers x) {
  return _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6));
}
/// Takes lane 0 of `first` and the others of x.
inline Integers replace_first(Integers x, Integers first) {
  return _mm256_blend_epi32(x, first, 1);
}
inline std::int32_t lane(Integers x, std::int64_t i) {
  const __m256i index = _mm256_set1_epi32(static_cast<int>(i));
  return _mm256_cvtsi256_si32(_mm256_permutevar8x32_epi32(x, index));
}

}  // namespace
}  // namespace jetcal::kernels::detail
