// SPDX-License-Identifier: Apache-2.0
// Times of recurring runs.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>

namespace jetcal::pipeline {

/// A schedule of six fields: second, minute, hour, day of month, month, day of week (0 is Sunday).
/// Each is `*`, a number, a range `a-b`, a step `*/n` or `a-b/n`, or several joined by commas. Five
/// fields, as crontab has them, mean second 0. Times are UTC.
class Cron {
 public:
  /// Throws InvalidArgument naming the field that cannot be read.
  explicit Cron(const std::string& text);
  /// The next time after `seconds` since 1970, or -1 where none comes within eight years.
  std::int64_t next(std::int64_t seconds) const;
  /// Six fields.
  const std::string& text() const noexcept { return text_; }

 private:
  bool matches_day(std::int64_t day) const;
  std::array<std::bitset<64>, 6> fields_;
  bool any_day_ = false, any_weekday_ = false;
  std::string text_;
};

}  // namespace jetcal::pipeline
