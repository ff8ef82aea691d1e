// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/isa.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "jetcal/base/error.h"
#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

class IsaTest : public KernelTest {};

TEST_P(IsaTest, EnvironmentForcesTheVariant) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a fresh process: the choice is made once
  EXPECT_EXIT(
      {
        setenv("JETCAL_ISA", std::string(isa_name(GetParam())).c_str(), 1);
        std::_Exit(kernel_isa() == GetParam() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_P(IsaTest, ScopedIsaHoldsUntilItsEnd) {
  const Isa before = kernel_isa();
  {
    const ScopedIsa forced(GetParam());
    EXPECT_EQ(kernel_isa(), GetParam());
  }
  EXPECT_EQ(kernel_isa(), before);
}

JETCAL_TEST_ALL_VARIANTS(IsaTest);

TEST(ScopedIsa, RefusesAVariantThatTheCpuLacks) {
  if (cpu_supports(Isa::Amx)) GTEST_SKIP() << "this CPU has every variant";
  EXPECT_THROW(ScopedIsa(Isa::Amx), Error);
}

}  // namespace
}  // namespace jetcal::kernels
