// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/request_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace jetcal::engine::detail {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class RequestQueueTest : public testing::Test {
 protected:
  void make(const Scheduling& scheduling, const QueueLimits& limits = {8, 0, 0}) {
    queue_ = std::make_shared<RequestQueue>(
        scheduling, limits, timer_, [this](const Job& job, const Error& error) {
          const std::lock_guard lock(mutex_);
          refused_.push_back(job.request.id + ": " + error.what());
          if (refused_.size() == 1) first_refused_.set_value(std::chrono::steady_clock::now());
        });
  }
  void push(const std::string& id, std::int64_t jets, std::uint64_t priority = 0,
            std::uint64_t timeout_us = 0, const std::string& key = "",
            std::shared_ptr<Cancellation> cancellation = nullptr) {
    Job job;
    job.request.id = id;
    job.request.priority = priority;
    job.request.timeout_us = timeout_us;
    job.request.cancellation = std::move(cancellation);
    job.batch_size = jets;
    job.elements = 10 * jets;
    job.merge_key = key;
    job.arrived = std::chrono::steady_clock::now();
    queue_->push(std::move(job));
  }
  std::vector<std::string> pop() {
    std::vector<std::string> ids;
    for (const Job& job : queue_->pop()) ids.push_back(job.request.id);
    if (!ids.empty()) queue_->finished();
    return ids;
  }
  std::vector<std::string> refused() {
    const std::lock_guard lock(mutex_);
    return refused_;
  }
  static Scheduling batching() {
    Scheduling scheduling;
    scheduling.batching = true;
    return scheduling;
  }

  DeadlineTimer timer_;
  std::mutex mutex_;
  std::vector<std::string> refused_;
  std::promise<std::chrono::steady_clock::time_point> first_refused_;
  std::shared_ptr<RequestQueue> queue_;
};

TEST_F(RequestQueueTest, WithoutBatchingRequestsComeOneByOne) {
  make({});
  push("a", 1);
  push("b", 1);
  EXPECT_THAT(pop(), ElementsAre("a"));
  EXPECT_THAT(pop(), ElementsAre("b"));
  queue_->close();
  EXPECT_THAT(pop(), IsEmpty());
}

TEST_F(RequestQueueTest, ARequestRunsAloneOnlyWhereNothingWaits) {
  make(batching());
  EXPECT_TRUE(queue_->begin_alone());
  queue_->finished();
  push("a", 1);
  EXPECT_FALSE(queue_->begin_alone());
  EXPECT_THAT(pop(), ElementsAre("a"));
  queue_->close();
  EXPECT_FALSE(queue_->begin_alone());
  queue_->wait_until_idle();
}

TEST_F(RequestQueueTest, TakesAllThatWaitsUpToTheLargestBatch) {
  make(batching());
  for (const char* id : {"a", "b", "c", "d"}) push(id, 3);
  EXPECT_THAT(pop(), ElementsAre("a", "b"));  // c would make nine
  EXPECT_THAT(pop(), ElementsAre("c", "d"));
  push("large", 20);  // was checked before; alone it runs as it is
  push("e", 1);
  EXPECT_THAT(pop(), ElementsAre("large"));
  EXPECT_THAT(pop(), ElementsAre("e"));
}

TEST_F(RequestQueueTest, ABatchIsBoundedByItsElements) {
  make(batching(), {100, 45, 0});
  for (const char* id : {"a", "b", "c"}) push(id, 2);  // 20 elements each
  EXPECT_THAT(pop(), ElementsAre("a", "b"));
  EXPECT_THAT(pop(), ElementsAre("c"));
}

TEST_F(RequestQueueTest, OnlyEqualShapesAreJoined) {
  make(batching());
  push("a", 1, 0, 0, "x");
  push("b", 1, 0, 0, "y");
  push("c", 1, 0, 0, "y");
  EXPECT_THAT(pop(), ElementsAre("a"));
  EXPECT_THAT(pop(), ElementsAre("b", "c"));
}

TEST_F(RequestQueueTest, PreferredSizesRunAtOnceAndOthersWaitTheirTime) {
  Scheduling scheduling = batching();
  scheduling.preferred = {2, 4};
  scheduling.max_delay_us = 60'000;
  make(scheduling);
  push("a", 1);
  push("b", 1);
  EXPECT_THAT(pop(), ElementsAre("a", "b"));
  for (const char* id : {"c", "d", "e", "f", "g"}) push(id, 1);
  EXPECT_THAT(pop(), ElementsAre("c", "d", "e", "f"));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(pop(), ElementsAre("g"));  // nothing came to make two
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(30));
}

TEST_F(RequestQueueTest, ABurstThatIsOverIsNotWaitedFor) {
  Scheduling scheduling = batching();
  scheduling.max_delay_us = 60'000'000;
  make(scheduling, {100, 0, 0});
  for (int i = 0; i < 7; ++i) push("a", 1);
  auto popped = std::async(std::launch::async, [this] { return pop(); });
  EXPECT_EQ(popped.wait_for(milliseconds(50)), std::future_status::timeout);  // few may be joined
  push("a", 1);
  ASSERT_EQ(popped.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(popped.get().size(), 8U);
}

TEST_F(RequestQueueTest, HigherLevelsComeFirst) {
  Scheduling scheduling;
  scheduling.levels = 3;
  scheduling.default_level = 2;
  make(scheduling);
  push("low", 1, 3);
  push("default", 1);
  push("unknown", 1, 9);
  push("high", 1, 1);
  EXPECT_THAT(pop(), ElementsAre("high"));
  EXPECT_THAT(pop(), ElementsAre("default"));
  EXPECT_THAT(pop(), ElementsAre("unknown"));
  EXPECT_THAT(pop(), ElementsAre("low"));
}

TEST_F(RequestQueueTest, FullLevelsAndFullQueuesRefuseAtOnce) {
  Scheduling scheduling;
  scheduling.levels = 2;
  scheduling.default_level = 2;
  scheduling.policies[1].max_queue_size = 1;
  make(scheduling, {8, 0, 3});
  push("a", 1, 1);
  push("b", 1, 1);
  push("c", 1);
  EXPECT_FALSE(queue_->full());  // there is room on the other level
  push("d", 1);
  EXPECT_TRUE(queue_->full());
  push("e", 1);
  EXPECT_THAT(refused(),
              ElementsAre("b: Exceeds maximum queue size", "e: Exceeds maximum queue size"));
  EXPECT_EQ(queue_->size(), 3);
}

TEST_F(RequestQueueTest, ATimeoutIsAnsweredWhenItIsDueAlthoughNobodyPops) {
  Scheduling scheduling;
  scheduling.default_policy.timeout_us = 5'000'000;
  scheduling.default_policy.allow_override = true;
  make(scheduling);
  const auto begin = std::chrono::steady_clock::now();
  push("patient", 1);
  push("hasty", 1, 0, 30'000);
  const auto waited = first_refused_.get_future().get() - begin;
  EXPECT_GE(waited, milliseconds(30));
  EXPECT_LT(waited, milliseconds(1000));
  EXPECT_THAT(refused(), ElementsAre("hasty: Request timeout expired"));
  EXPECT_THAT(pop(), ElementsAre("patient"));
}

TEST_F(RequestQueueTest, ADelayedRequestGoesLast) {
  Scheduling scheduling;
  scheduling.default_policy.timeout_us = 10'000;
  scheduling.default_policy.delay_on_timeout = true;
  make(scheduling);
  push("late", 1);
  std::this_thread::sleep_for(milliseconds(100));
  push("fresh", 1);
  EXPECT_THAT(pop(), ElementsAre("fresh"));
  EXPECT_THAT(pop(), ElementsAre("late"));
  EXPECT_THAT(refused(), IsEmpty());
}

TEST_F(RequestQueueTest, ADelayedRequestKeepsItsPlaceInTheQueueAndItsLevel) {
  Scheduling scheduling;
  scheduling.levels = 2;
  scheduling.default_level = 2;
  scheduling.policies[1].timeout_us = 10'000;
  scheduling.policies[1].delay_on_timeout = true;
  scheduling.policies[1].max_queue_size = 1;
  make(scheduling);
  push("late", 1, 1);
  std::this_thread::sleep_for(milliseconds(100));
  push("one more", 1, 1);
  push("low", 1);
  EXPECT_THAT(refused(), ElementsAre("one more: Exceeds maximum queue size"));
  EXPECT_THAT(pop(), ElementsAre("late"));
  EXPECT_THAT(pop(), ElementsAre("low"));
}

TEST_F(RequestQueueTest, ACancelledRequestLeaves) {
  make({});
  const auto cancellation = std::make_shared<Cancellation>();
  push("gone", 1, 0, 0, "", cancellation);
  push("stays", 1);
  cancellation->request();
  EXPECT_THAT(refused(), ElementsAre("gone: the client has given up"));
  const auto before = std::make_shared<Cancellation>();
  before->request();
  push("gone before", 1, 0, 0, "", before);
  EXPECT_EQ(refused().size(), 2U);
  EXPECT_THAT(pop(), ElementsAre("stays"));
  EXPECT_EQ(queue_->size(), 0);
}

}  // namespace
}  // namespace jetcal::engine::detail
