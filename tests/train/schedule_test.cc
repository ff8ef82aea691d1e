// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

double learning_rate_factor(Schedule kind, std::int64_t epoch, std::int64_t epochs) {
  ScheduleOptions options;
  options.kind = kind;
  return train::learning_rate_factor(options, {epoch, epochs, 10 * epoch, 10});
}

TEST(Schedule, FollowsThePaperOverFiftyEpochs) {
  const double gamma = std::pow(0.01, 1.0 / 15);  // physics.md 2.6
  for (int epoch = 0; epoch < 35; ++epoch) {
    EXPECT_EQ(learning_rate_factor(Schedule::FlatDecay, epoch, 50), 1) << epoch;
  }
  for (int epoch = 35; epoch < 50; ++epoch) {
    EXPECT_NEAR(learning_rate_factor(Schedule::FlatDecay, epoch, 50), std::pow(gamma, epoch - 34),
                1e-15)
        << epoch;
  }
  EXPECT_DOUBLE_EQ(learning_rate_factor(Schedule::FlatDecay, 49, 50), 0.01);
}

TEST(Schedule, ShortRunsEndAtOnePercentOrStayFlat) {
  EXPECT_DOUBLE_EQ(learning_rate_factor(Schedule::FlatDecay, 9, 10), 0.01);
  EXPECT_EQ(learning_rate_factor(Schedule::FlatDecay, 6, 10), 1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(Schedule::FlatDecay, 3, 4), 0.01);
  for (int epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(learning_rate_factor(Schedule::FlatDecay, epoch, 3), 1);
  }
}

TEST(Schedule, ConstantStaysConstant) {
  EXPECT_EQ(learning_rate_factor(Schedule::Constant, 49, 50), 1);
}

TEST(Schedule, WarmUpRisesStraightInFrontOfAnySchedule) {
  for (const Schedule kind : kSchedules) {
    ScheduleOptions plain;
    plain.kind = kind;
    ScheduleOptions warm = plain;
    warm.warmup_steps = 8;
    warm.warmup_start = 0.2;
    const double first = train::learning_rate_factor(warm, {0, 10, 8, 10});
    EXPECT_EQ(first, train::learning_rate_factor(plain, {0, 10, 0, 10}));
    for (std::int64_t step = 0; step <= 8; ++step) {
      EXPECT_NEAR(train::learning_rate_factor(warm, {0, 10, step, 10}),
                  first * (0.2 + 0.1 * static_cast<double>(step)), 1e-12)
          << schedule_name(kind) << " " << step;
    }
    for (std::int64_t step = 0; step < 100; ++step) {
      const double factor = train::learning_rate_factor(warm, {step / 10, 10, step, 10});
      EXPECT_GE(factor, 0);
      EXPECT_LE(factor, 1);
    }
  }
}

TEST(Schedule, RunsOfOneStepAreScheduledToo) {
  for (const Schedule kind : kSchedules) {
    ScheduleOptions options;
    options.kind = kind;
    const double factor = train::learning_rate_factor(options, {0, 1, 0, 1});
    EXPECT_GT(factor, 0) << schedule_name(kind);
    EXPECT_LE(factor, 1) << schedule_name(kind);
  }
}

TEST(Schedule, FieldsOutOfRangeAreNamed) {
  const auto refused = [](auto change) {
    ScheduleOptions options;
    change(options);
    EXPECT_THROW(validate(options), Error);
  };
  EXPECT_NO_THROW(validate(ScheduleOptions{}));
  refused([](ScheduleOptions& options) { options.warmup_steps = -1; });
  refused([](ScheduleOptions& options) { options.warmup_start = 1.5; });
  refused([](ScheduleOptions& options) { options.gamma = 0; });
  refused([](ScheduleOptions& options) { options.flat_part = 1; });
  refused([](ScheduleOptions& options) { options.peak_at = 0; });
  refused([](ScheduleOptions& options) { options.peak_ratio = 0.5; });
  refused([](ScheduleOptions& options) { options.final_factor = 0; });  // of flat-decay
  refused([](ScheduleOptions& options) { options.milestones = {3, 3}; });
}

TEST(Schedule, NamesAreReadBack) {
  for (const Schedule schedule : kSchedules) {
    EXPECT_EQ(parse_schedule(schedule_name(schedule)), schedule);
  }
  EXPECT_THROW(parse_schedule("exponential"), Error);
}

}  // namespace
}  // namespace jetcal::train
