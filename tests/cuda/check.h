// SPDX-License-Identifier: Apache-2.0
// A few lines in place of GoogleTest, for machines that have none.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace jetcal::cuda {

/// One named claim; the body calls the functions below.
struct Check {
  std::string name;
  std::function<void()> body;
};
std::vector<Check>& checks();

struct Registration {
  Registration(const char* name, std::function<void()> body) {
    checks().push_back({name, std::move(body)});
  }
};

/// Counts a failure of the running check and prints where and why.
void report_failure(const char* file, int line, const std::string& what);

/// Expects |got - want| <= bound element by element; reports the first that differs.
inline void expect_near(std::span<const float> got, std::span<const float> want,
                        const std::function<double(std::size_t)>& bound, const std::string& what,
                        const char* file, int line) {
  if (got.size() != want.size()) {
    report_failure(file, line, what + ": sizes differ");
    return;
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - want[i]);
    if (difference <= bound(i)) continue;  // false for NaN
    report_failure(file, line,
                   what + ", element " + std::to_string(i) + ": " + std::to_string(got[i]) +
                       " not " + std::to_string(want[i]) + ", bound " + std::to_string(bound(i)));
    return;
  }
}

}  // namespace jetcal::cuda

#define JETCAL_CHECK(name)                                                          \
  static void check_##name();                                                       \
  static const jetcal::cuda::Registration registration_##name{#name, check_##name}; \
  static void check_##name()

#define JETCAL_EXPECT(condition)                                                    \
  do {                                                                              \
    if (!(condition)) jetcal::cuda::report_failure(__FILE__, __LINE__, #condition); \
  } while (false)

#define JETCAL_EXPECT_NEAR(got, want, bound, what) \
  jetcal::cuda::expect_near(got, want, bound, what, __FILE__, __LINE__)
