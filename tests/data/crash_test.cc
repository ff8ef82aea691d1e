// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/crash.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "jetcal/data/detail/file_in_work.h"

namespace jetcal::data {
namespace {

void name_the_file(const char* path) {
  static_cast<void>(!::write(STDERR_FILENO, path, std::strlen(path)));
  ::_exit(4);
}

TEST(CrashDeathTest, HandlerIsToldTheFileInWork) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT}) {
    EXPECT_EXIT(
        {
          on_crash(name_the_file);
          const std::filesystem::path outer = "outer.root";
          const std::filesystem::path inner = "inner.root";
          const detail::FileInWork first(outer);
          { const detail::FileInWork second(inner); }
          static_cast<void>(::raise(number));
        },
        ::testing::ExitedWithCode(4), "outer\\.root");
  }
}

// Recurses until the stack is used up; the sum keeps the compiler from making a loop of it.
std::int64_t recurse(std::int64_t depth) {
  std::array<char, 1024> frame{};
  volatile char* first = frame.data();
  *first = static_cast<char>(depth);
  return depth < 0 ? *first : recurse(depth + 1) + *first;
}

TEST(CrashDeathTest, HandlerRunsWhenTheStackIsUsedUp) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        on_crash(name_the_file);
        const std::filesystem::path path = "deep.root";
        const detail::FileInWork work(path);
        std::exit(static_cast<int>(recurse(1) & 1));
      },
      ::testing::ExitedWithCode(4), "deep\\.root");
}

TEST(CrashDeathTest, ACrashElsewhereStaysACrash) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        on_crash(name_the_file);
        {
          const std::filesystem::path path = "done.root";
          const detail::FileInWork work(path);
        }
        static_cast<void>(::raise(SIGSEGV));
      },
      ::testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace jetcal::data
