// SPDX-License-Identifier: Apache-2.0
// Products of 16-bit and 8-bit integers in registers, summed in 32 bits.
#pragma once

#include "jetcal/kernels/detail/quantised_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

/// Repeats four bytes in every lane.
inline Integers broadcast_bytes(const std::uint8_t* p) {
  std::int32_t bytes = 0;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  return broadcast_integer(bytes);
}

#if defined(__AVX512F__)

inline Integers load_bytes(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
inline Integers add32(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
inline Integers add16(Integers a, Integers b) { return _mm512_add_epi16(a, b); }
/// Adds neighbouring products of 16 bits.
inline Integers multiply16(Integers a, Integers b) { return _mm512_madd_epi16(a, b); }
/// Adds neighbouring products of bytes, a without and b with sign.
inline Integers multiply8(Integers a, Integers b) { return _mm512_maddubs_epi16(a, b); }
inline Integers ones16() { return _mm512_set1_epi16(1); }
inline Lanes to_floats(Integers x) { return _mm512_cvtepi32_ps(x); }
/// Bits without the sign: for values that are not negative, the order of integers is theirs, and
/// NaN is above all.
inline Integers magnitude(Lanes x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
}
inline std::int32_t largest_lane(Integers x) { return _mm512_reduce_max_epi32(x); }

inline __m512i rounded(Lanes x) {
  return _mm512_max_epi32(_mm512_cvtps_epi32(x), _mm512_setzero_si512());
}
/// Round to integers without sign; what is below zero, or NaN, becomes zero.
inline void store_int16(std::uint8_t* p, Lanes x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtusepi32_epi16(rounded(x)));
}
inline void store_int8(std::uint8_t* p, Lanes x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtusepi32_epi8(rounded(x)));
}

#else

inline Integers load_bytes(const std::uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline Integers add32(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
inline Integers add16(Integers a, Integers b) { return _mm256_add_epi16(a, b); }
/// Adds neighbouring products of 16 bits.
inline Integers multiply16(Integers a, Integers b) { return _mm256_madd_epi16(a, b); }
/// Adds neighbouring products of bytes, a without and b with sign.
inline Integers multiply8(Integers a, Integers b) { return _mm256_maddubs_epi16(a, b); }
inline Integers ones16() { return _mm256_set1_epi16(1); }
inline Lanes to_floats(Integers x) { return _mm256_cvtepi32_ps(x); }
/// Bits without the sign: for values that are not negative, the order of integers is theirs, and
/// NaN is above all.
inline Integers magnitude(Lanes x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7FFFFFFF));
}
inline std::int32_t largest_lane(Integers x) {
  __m128i half = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0xB1));
  return _mm_cvtsi128_si32(half);
}

inline __m128i rounded(Lanes x) {
  const __m256i whole = _mm256_cvtps_epi32(x);
  return _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
}
/// Round to integers without sign; what is below zero, or NaN, becomes zero.
inline void store_int16(std::uint8_t* p, Lanes x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), rounded(x));
}
inline void store_int8(std::uint8_t* p, Lanes x) {
  const __m128i words = rounded(x);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}

#endif

/// Products of two 16-bit levels a lane.
struct Int16Format {
  static constexpr std::int64_t kLevelBytes = 2, kGroupVectors = kInt16Group;
  static constexpr float kMost = kMostInt16;
  using Sum = Integers;
  struct Group {
    Integers bytes;
  };
  /// With two vectors of weights, a broadcast and a product the accumulators fill the registers.
  static constexpr int tile_rows(int vectors) { return (kLanes == 8 ? 12 : 24) / vectors; }

  static Sum zero_sum() { return broadcast_integer(0); }
  static Group broadcast_group(const std::uint8_t* p) { return {broadcast_bytes(p)}; }
  static Group load_group(const std::uint8_t* p) { return {load_bytes(p)}; }
  static Sum add_products(const Group& x, const Group& w, Sum sum) {
    return add32(sum, multiply16(x.bytes, w.bytes));
  }
  static Lanes floats(Sum sum) { return to_floats(sum); }
  static void store_levels(std::uint8_t* p, Lanes x) { store_int16(p, x); }
};

/// Products of two times four 8-bit levels a lane.
struct Int8Format {
  static constexpr std::int64_t kLevelBytes = 1, kGroupVectors = kInt8Group;
  static constexpr float kMost = kMostInt8;
  using Sum = Integers;
  struct Group {
    Integers first, second;
  };
  static constexpr int tile_rows(int vectors) { return (kLanes == 8 ? 8 : 16) / vectors; }

  static Sum zero_sum() { return broadcast_integer(0); }
  static Group broadcast_group(const std::uint8_t* p) {
    return {broadcast_bytes(p), broadcast_bytes(p + 4)};
  }
  static Group load_group(const std::uint8_t* p) {
    return {load_bytes(p), load_bytes(p + 4 * kLanes)};
  }
  static Sum add_products(const Group& x, const Group& w, Sum sum) {
#if defined(__AVX512VNNI__)
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, x.first, w.first), x.second, w.second);
#else
    const Integers words = add16(multiply8(x.first, w.first), multiply8(x.second, w.second));
    return add32(sum, multiply16(words, ones16()));
#endif
  }
  static Lanes floats(Sum sum) { return to_floats(sum); }
  static void store_levels(std::uint8_t* p, Lanes x) { store_int8(p, x); }
};

#if defined(__AVX512BF16__)

/// Products of two bfloat16 a lane, which are not scaled.
struct Bfloat16Format {
  static constexpr std::int64_t kLevelBytes = 2, kGroupVectors = kBfloat16Group;
  static constexpr float kMost = 0;
  using Sum = Lanes;
  struct Group {
    Integers bytes;
  };
  static constexpr int tile_rows(int vectors) { return 24 / vectors; }

  static Sum zero_sum() { return zero(); }
  static Group broadcast_group(const std::uint8_t* p) { return {broadcast_bytes(p)}; }
  static Group load_group(const std::uint8_t* p) { return {load_bytes(p)}; }
  static Sum add_products(const Group& x, const Group& w, Sum sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x.bytes),
                            reinterpret_cast<__m512bh>(w.bytes));
  }
  static Lanes floats(Sum sum) { return sum; }
  static void store_levels(std::uint8_t* p, Lanes x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(relu(x))));
  }
};

#endif

}  // namespace
}  // namespace jetcal::kernels::detail
