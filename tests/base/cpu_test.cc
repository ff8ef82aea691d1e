// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/cpu.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace jetcal {
namespace {

TEST(Cpu, AlwaysRunsTheReference) {
  EXPECT_TRUE(cpu_supports(Isa::Ref));
  EXPECT_EQ(supported_isas().front(), Isa::Ref);
  EXPECT_GE(usable_cores(), 1);
  EXPECT_FALSE(cpu_model().empty());
}

TEST(Cpu, UsesTheBestVariantUnlessForced) {
  const char* forced = std::getenv("JETCAL_ISA");
  if (forced != nullptr) {
    EXPECT_EQ(isa_name(active_isa()), forced);
  } else {
    EXPECT_EQ(active_isa(), supported_isas().back());
  }
}

}  // namespace
}  // namespace jetcal
