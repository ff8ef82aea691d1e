// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"
#include "jetcal/kernels/isa.h"

namespace jetcal::kernels {
namespace {

TEST(PrecisionName, ComesBackFromParsing) {
  for (const Precision precision :
       {Precision::Float32, Precision::Bfloat16, Precision::Int16, Precision::Int8}) {
    EXPECT_EQ(parse_precision(precision_name(precision)), precision);
  }
  EXPECT_THROW(parse_precision("fp4"), Error);
}

TEST(Unaveraged, ReplacesTheCoarsestPrecisionAlone) {
  EXPECT_EQ(unaveraged(Precision::Int8), Precision::Int16);
  EXPECT_EQ(unaveraged(Precision::Int16), Precision::Int16);
  EXPECT_EQ(unaveraged(Precision::Bfloat16), Precision::Bfloat16);
}

TEST(PrecisionSupport, IsCompleteInTheReference) {
  const ScopedIsa forced(Isa::Ref);
  EXPECT_THAT(supported_precisions(), testing::ElementsAre(Precision::Float32, Precision::Bfloat16,
                                                           Precision::Int16, Precision::Int8));
}

TEST(PrecisionSupport, RefusesBfloat16WithoutItsInstructions) {
  if (!cpu_supports(Isa::Avx2)) GTEST_SKIP() << "this CPU has no avx2";
  const ScopedIsa forced(Isa::Avx2);
  EXPECT_FALSE(supports(Precision::Bfloat16));
  try {
    require_support(Precision::Bfloat16);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Unimplemented);
    EXPECT_THAT(error.what(), testing::HasSubstr("the avx2 kernels here have no AVX512_BF16"));
    EXPECT_THAT(error.what(), testing::HasSubstr("they have float32, int16, int8"));
  }
}

}  // namespace
}  // namespace jetcal::kernels
