// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/back_off.h"

#include <gmock/gmock.h>

#include <set>

namespace jetcal::client {
namespace {

using std::chrono::milliseconds;

TEST(BackOff, DoublesUpToItsLimitAndLeavesHalfToChance) {
  const RetryOptions options{10, milliseconds(100), milliseconds(1000), 1};
  Rng rng(1);
  for (const auto& [attempt, full] : std::vector<std::pair<int, int>>{
           {1, 100}, {2, 200}, {3, 400}, {4, 800}, {5, 1000}, {6, 1000}, {1000000, 1000}}) {
    std::set<std::int64_t> pauses;
    for (int i = 0; i < 200; ++i) {
      const auto pause = pause_after(options, attempt, std::nullopt, rng).count();
      EXPECT_GE(pause, full / 2);
      EXPECT_LE(pause, full);
      pauses.insert(pause);
    }
    EXPECT_GT(pauses.size(), 20U);
  }
}

TEST(BackOff, IsNeverShorterThanTheServerAsks) {
  const RetryOptions options{10, milliseconds(100), milliseconds(1000), 1};
  Rng rng(2);
  for (int attempt = 1; attempt < 6; ++attempt) {
    const auto pause = pause_after(options, attempt, milliseconds(3000), rng);
    EXPECT_GE(pause, milliseconds(3000));
    EXPECT_LE(pause, milliseconds(3500));
    EXPECT_LE(pause_after(options, attempt, milliseconds(1), rng), milliseconds(1000));
  }
}

TEST(BackOff, MayBeNothing) {
  Rng rng(3);
  EXPECT_EQ(pause_after({3, milliseconds(0), milliseconds(0), 1}, 3, std::nullopt, rng),
            milliseconds(0));
}

}  // namespace
}  // namespace jetcal::client
