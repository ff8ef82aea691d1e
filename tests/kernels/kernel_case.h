// SPDX-License-Identifier: Apache-2.0
// Random rows, forced variants and error bounds for the tests of the kernels.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/random.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/isa.h"

namespace jetcal::kernels {

using Floats = std::vector<float>;
using Offsets = std::vector<std::int64_t>;

/// Unit roundoff of float: half the distance from 1 to the next number.
inline constexpr double kRoundoff = 0x1.0p-24;

/// Draws `size` values from the standard normal distribution.
inline Floats random_floats(std::int64_t size, std::uint64_t seed) {
  Rng rng(seed);
  Floats values(static_cast<std::size_t>(size));
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

/// Turns row counts into offsets.
inline Offsets offsets_of(const std::vector<std::int64_t>& counts) {
  Offsets offsets{0};
  for (const std::int64_t count : counts) offsets.push_back(offsets.back() + count);
  return offsets;
}

/// Compares bits, so that NaN equals itself and 0 differs from -0.
inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

/// Runs f() with a variant and returns its result.
template <typename Function>
auto run_on(Isa isa, Function f) {
  const ScopedIsa forced(isa);
  return f();
}

/// Runs f() with a number of threads and returns its result.
template <typename Function>
auto run_with_threads(int threads, Function f) {
  const int before = num_threads();
  set_num_threads(threads);
  auto result = f();
  set_num_threads(before);
  return result;
}

/// Expects |got - want| <= bound element by element; reports the first that differs.
inline void expect_near(std::span<const float> got, std::span<const float> want,
                        std::span<const double> bound, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - want[i]);
    ASSERT_LE(difference, bound[i])
        << what << ", element " << i << ": " << got[i] << " not " << want[i];
  }
}

/// Runs every test once per variant; one that this CPU lacks is skipped with a message.
class KernelTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam())) {
      GTEST_SKIP() << "this CPU has no " << isa_name(GetParam()) << ": variant not tested";
    }
  }
};

inline std::string isa_test_name(const testing::TestParamInfo<Isa>& info) {
  return std::string(isa_name(info.param));
}

}  // namespace jetcal::kernels

/// Registers a suite for the variants that have kernels of their own for every operation.
#define JETCAL_TEST_VARIANTS(suite)                                                       \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, testing::Values(Isa::Ref, Isa::Avx2, Isa::Avx512), \
                           isa_test_name)

/// Registers a suite for all variants: also Isa::Amx, whose kernels are others in few bits only.
#define JETCAL_TEST_ALL_VARIANTS(suite) \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, testing::ValuesIn(kAllIsas), isa_test_name)
