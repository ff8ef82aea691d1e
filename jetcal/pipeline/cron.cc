// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/cron.h"

#include <chrono>
#include <optional>
#include <sstream>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::pipeline {
namespace {

struct Range {
  const char* name;
  int low, high;
};
constexpr std::array<Range, 6> kRanges{{{"second", 0, 59},
                                        {"minute", 0, 59},
                                        {"hour", 0, 23},
                                        {"day of month", 1, 31},
                                        {"month", 1, 12},
                                        {"day of week", 0, 7}}};

bool read_int(const std::string& text, int& value) {
  const std::optional<int> number = parse_number<int>(text);
  value = number.value_or(value);
  return number.has_value();
}

std::bitset<64> read_field(const std::string& text, const Range& range) {
  std::bitset<64> bits;
  std::stringstream parts(text);
  std::string part;
  const auto stop = [&]() {
    fail(ErrorCode::InvalidArgument, "the ", range.name, " of a schedule is *, a number from ",
         range.low, " to ", range.high, ", a range or a step, got '", text, "'");
  };
  while (std::getline(parts, part, ',')) {
    int low = range.low, high = range.high, step = 1;
    const std::size_t slash = part.find('/');
    if (slash != std::string::npos && (!read_int(part.substr(slash + 1), step) || step < 1)) stop();
    const std::string span = part.substr(0, slash);
    const std::size_t dash = span.find('-');
    if (dash != std::string::npos) {
      if (!read_int(span.substr(0, dash), low) || !read_int(span.substr(dash + 1), high)) stop();
    } else if (span != "*" && span != "?") {
      if (!read_int(span, low)) stop();
      if (slash == std::string::npos) high = low;
    }
    if (low < range.low || high > range.high || low > high) stop();
    for (int value = low; value <= high; value += step) bits.set(static_cast<std::size_t>(value));
  }
  if (bits.none()) stop();
  return bits;
}

}  // namespace

Cron::Cron(const std::string& text) {
  std::stringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  if (words.size() == 5) words.insert(words.begin(), "0");
  if (words.size() != 6)
    fail(ErrorCode::InvalidArgument,
         "a schedule has six fields (second minute hour day month weekday), got '", text, "'");
  for (std::size_t i = 0; i < words.size(); ++i) {
    fields_[i] = read_field(words[i], kRanges[i]);
    text_ += (i > 0 ? " " : "") + words[i];
  }
  if (fields_[5].test(7)) fields_[5].set(0);
  any_day_ = words[3] == "*" || words[3] == "?";
  any_weekday_ = words[5] == "*" || words[5] == "?";
}

bool Cron::matches_day(std::int64_t day) const {
  using namespace std::chrono;
  const sys_days days{std::chrono::days{day}};
  const year_month_day date{days};
  if (!fields_[4].test(static_cast<unsigned>(date.month()))) return false;
  const bool in_month = fields_[3].test(static_cast<unsigned>(date.day()));
  const bool in_week = fields_[5].test(weekday{days}.c_encoding());
  // As cron has it: with both given, either is enough.
  if (!any_day_ && !any_weekday_) return in_month || in_week;
  return in_month && in_week;
}

std::int64_t Cron::next(std::int64_t seconds) const {
  constexpr std::int64_t kDay = 86400;
  constexpr int kLastDay = 8 * 366;  // a leap day comes within eight years
  std::int64_t from = seconds + 1;
  for (int days = 0; days < kLastDay; ++days) {
    const std::int64_t day = from / kDay;
    if (matches_day(day)) {
      for (std::int64_t second = from - day * kDay; second < kDay; ++second) {
        if (fields_[2].test(static_cast<std::size_t>(second / 3600)) &&
            fields_[1].test(static_cast<std::size_t>(second / 60 % 60)) &&
            fields_[0].test(static_cast<std::size_t>(second % 60)))
          return day * kDay + second;
      }
    }
    from = (day + 1) * kDay;
  }
  return -1;
}

}  // namespace jetcal::pipeline
