// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/slice.h"

#include <gtest/gtest.h>

namespace jetcal::workers {
namespace {

TEST(Slice, PartsFollowEachOtherAndAreEven) {
  for (const std::int64_t count : {0, 1, 2, 7, 500, 14'000'000}) {
    for (const std::int64_t parts : {1, 2, 3, 8, 64}) {
      std::int64_t end = 0;
      for (std::int64_t i = 0; i < parts; ++i) {
        const Slice slice = slice_of(count, i, parts);
        EXPECT_EQ(slice.begin, end);
        EXPECT_GE(slice.size(), count / parts);
        EXPECT_LE(slice.size(), count / parts + 1);
        end = slice.end;
      }
      EXPECT_EQ(end, count);
    }
  }
}

}  // namespace
}  // namespace jetcal::workers
