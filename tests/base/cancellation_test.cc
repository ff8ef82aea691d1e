// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/cancellation.h"

#include <gtest/gtest.h>

namespace jetcal {
namespace {

TEST(Cancellation, RunsItsReactionOnceWheneverItWasSet) {
  int runs = 0;
  Cancellation early;
  early.on_request([&] { ++runs; });
  EXPECT_FALSE(early.requested());
  EXPECT_EQ(runs, 0);
  early.request();
  early.request();
  EXPECT_TRUE(early.requested());
  EXPECT_EQ(runs, 1);
  early.on_request([&] { runs += 10; });  // too late: at once
  EXPECT_EQ(runs, 11);
}

}  // namespace
}  // namespace jetcal
