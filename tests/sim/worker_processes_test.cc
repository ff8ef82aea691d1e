// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/worker_processes.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <map>

#include "jetcal/base/error.h"

namespace jetcal::sim {
namespace {

std::map<std::int64_t, std::int64_t> squares(int workers, std::int64_t count) {
  std::map<std::int64_t, std::int64_t> results;
  std::int64_t next = 0;
  run_in_processes(
      workers, [&] { return next < count ? next++ : -1; },
      [](std::int64_t task) { return task * task; },
      [&](std::int64_t task, std::int64_t result) { results[task] = result; });
  return results;
}

TEST(WorkerProcesses, DoEveryTaskOnce) {
  for (const int workers : {1, 2, 5}) {
    const auto results = squares(workers, 20);
    ASSERT_EQ(results.size(), 20U);
    for (const auto& [task, result] : results) EXPECT_EQ(result, task * task);
  }
  EXPECT_TRUE(squares(3, 0).empty());
}

TEST(WorkerProcesses, PassErrorsOnWithTheirCode) {
  std::int64_t next = 0;
  try {
    run_in_processes(
        2, [&] { return next++; },
        [](std::int64_t task) -> std::int64_t {
          if (task == 3) fail(ErrorCode::DataLoss, "task ", task, " is bad");
          return 0;
        },
        [](std::int64_t, std::int64_t) {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::DataLoss);
    EXPECT_STREQ(error.what(), "task 3 is bad");
  }
}

TEST(WorkerProcesses, NoticeAChildThatDies) {
  std::int64_t next = 0;
  EXPECT_THROW(run_in_processes(
                   2, [&] { return next++; },
                   [](std::int64_t task) -> std::int64_t {
                     if (task == 2) ::kill(::getpid(), SIGKILL);
                     return 0;
                   },
                   [](std::int64_t, std::int64_t) {}),
               Error);
}

}  // namespace
}  // namespace jetcal::sim
