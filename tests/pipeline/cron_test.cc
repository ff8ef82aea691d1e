// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/cron.h"

#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::pipeline {
namespace {

constexpr std::int64_t kMonday = 1795392000;  // 2026-11-23 00:00:00 UTC

TEST(Cron, FindsTheNextTime) {
  EXPECT_EQ(Cron("0 30 2 * * *").next(kMonday), kMonday + 2 * 3600 + 30 * 60);
  EXPECT_EQ(Cron("30 2 * * *").text(), "0 30 2 * * *");
  EXPECT_EQ(Cron("*/15 * * * * *").next(kMonday), kMonday + 15);
  EXPECT_EQ(Cron("0 0 0 * * 1").next(kMonday), kMonday + 7 * 86400);
  EXPECT_EQ(Cron("0 0 0 * * 7").next(kMonday), kMonday + 6 * 86400);  // Sunday is 0 and 7
  EXPECT_EQ(Cron("0 0 12 24,26 11 *").next(kMonday), kMonday + 86400 + 12 * 3600);
  EXPECT_EQ(Cron("0 0 0 29 2 *").next(kMonday), 1835395200);  // 2028-02-29
  EXPECT_EQ(Cron("0 0 0 30 2 *").next(kMonday), -1);
}

TEST(Cron, RefusesWhatIsNoTime) {
  for (const char* text : {"", "* * * *", "60 * * * * *", "* * * * * 8", "a * * * * *",
                           "5-1 * * * * *", "*/0 * * * * *", "1- * * * * *", ", * * * * *"})
    EXPECT_THROW(Cron{text}, Error) << text;
}

}  // namespace
}  // namespace jetcal::pipeline
