// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/gradient_buckets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jetcal::train {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Records which ranges are started, and doubles them, as the sum of two equal workers does.
struct Recorder {
  std::vector<float> gradient;
  std::vector<std::pair<std::int64_t, std::int64_t>> started;
  int waited = 0;

  GradientBuckets buckets(std::int64_t bytes) {
    return {gradient,
            bytes,
            {[this](std::span<float> values) {
               const std::int64_t begin = values.data() - gradient.data();
               started.emplace_back(begin, begin + std::ssize(values));
               for (float& value : values) value *= 2;
               return static_cast<GradientBuckets::Ticket>(started.size());
             },
             [this](GradientBuckets::Ticket) { ++waited; }}};
  }
};

TEST(GradientBuckets, StartEachAsSoonAsAllOfItIsFinished) {
  Recorder recorder{std::vector<float>(10, 1.0F), {}, 0};
  GradientBuckets buckets = recorder.buckets(4 * sizeof(float));
  EXPECT_EQ(buckets.num_buckets(), 3);
  buckets.finished(7, 10);  // the last bucket [8, 10) and a part of [4, 8)
  EXPECT_THAT(recorder.started, ElementsAre(std::pair(8, 10)));
  buckets.finished(5, 7);
  EXPECT_EQ(recorder.started.size(), 1U);
  buckets.finished(0, 5);
  EXPECT_THAT(recorder.started, ElementsAre(std::pair(8, 10), std::pair(4, 8), std::pair(0, 4)));
  buckets.wait();
  EXPECT_EQ(recorder.waited, 3);
  EXPECT_THAT(recorder.gradient, testing::Each(2.0F));
}

TEST(GradientBuckets, WaitStartsWhatWasNotReportedAndBeginsAnew) {
  Recorder recorder{std::vector<float>(9, 1.0F), {}, 0};
  GradientBuckets buckets = recorder.buckets(3 * sizeof(float));
  buckets.finished(3, 3);  // nothing
  buckets.finished(4, 9);
  buckets.wait();
  EXPECT_THAT(recorder.started, ElementsAre(std::pair(6, 9), std::pair(3, 6), std::pair(0, 3)));
  recorder.started.clear();
  buckets.finished(0, 9);
  EXPECT_THAT(recorder.started, ElementsAre(std::pair(6, 9), std::pair(3, 6), std::pair(0, 3)));
  buckets.wait();
  EXPECT_EQ(recorder.waited, 6);
}

TEST(GradientBuckets, OneLargerThanTheGradientHoldsAll) {
  Recorder recorder{std::vector<float>(5, 1.0F), {}, 0};
  GradientBuckets buckets = recorder.buckets(1 << 20);
  buckets.finished(1, 5);
  EXPECT_THAT(recorder.started, IsEmpty());
  buckets.finished(0, 1);
  EXPECT_THAT(recorder.started, ElementsAre(std::pair(0, 5)));
}

}  // namespace
}  // namespace jetcal::train
