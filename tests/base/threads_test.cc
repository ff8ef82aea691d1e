// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace jetcal {
namespace {

class ParallelFor : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_num_threads(GetParam()); }
  void TearDown() override { set_num_threads(0); }
};

TEST_P(ParallelFor, CoversEveryIndexOnce) {
  for (const std::int64_t count : {0, 1, 2, 7, 100, 1001}) {
    for (const std::int64_t grain : {1, 3, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      });
      for (const auto& times : seen) ASSERT_EQ(times, 1) << count << " by " << grain;
    }
  }
}

TEST_P(ParallelFor, RethrowsAfterEveryRangeEnded) {
  std::atomic<std::int64_t> done{0};
  EXPECT_THROW(parallel_for(100, 1,
                            [&](std::int64_t begin, std::int64_t end) {
                              done += end - begin;
                              if (begin == 0) throw std::runtime_error("first range");
                            }),
               std::runtime_error);
  EXPECT_EQ(done, 100);
}

TEST_P(ParallelFor, RunsNestedLoopsOnTheCallingThread) {
  std::atomic<std::int64_t> total{0};
  parallel_for(8, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto self = std::this_thread::get_id();
    parallel_for((end - begin) * 10, 1, [&](std::int64_t inner_begin, std::int64_t inner_end) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      total += inner_end - inner_begin;
    });
  });
  EXPECT_EQ(total, 80);
}

TEST_P(ParallelFor, ServesSeveralCallersAtOnce) {
  std::atomic<std::int64_t> total{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&total] {
      for (int round = 0; round < 50; ++round) {
        parallel_for(20, 1,
                     [&total](std::int64_t begin, std::int64_t end) { total += end - begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, 4 * 50 * 20);
}

INSTANTIATE_TEST_SUITE_P(Threads, ParallelFor, ::testing::Values(1, 2, 5));

}  // namespace
}  // namespace jetcal
