// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/file_date.h"

#include <cstdlib>
#include <ctime>

namespace jetcal::analysis::detail {
namespace {

std::string formatted(long long seconds, const char* format) {
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, format, &utc));
}

}  // namespace

std::string with_date(std::string text, long long seconds) {
  const std::string digits = formatted(seconds, "%Y%m%d%H%M%S");
  for (const std::string field : {"/CreationDate (D:", "/ModDate (D:"}) {
    const std::size_t at = text.find(field);
    if (at != std::string::npos && at + field.size() + digits.size() <= text.size())
      text.replace(at + field.size(), digits.size(), digits);
  }
  const std::string field = "CreationDate: ";
  const std::size_t at = text.find(field);
  const std::size_t end = at == std::string::npos ? at : text.find('<', at);
  if (end != std::string::npos)
    text.replace(at + field.size(), end - at - field.size(),
                 formatted(seconds, "%a %b %d %H:%M:%S %Y"));
  return text;
}

long long source_date() noexcept {
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  if (text == nullptr || *text == '\0') return -1;
  char* end = nullptr;
  const long long seconds = std::strtoll(text, &end, 10);
  return *end == '\0' && seconds >= 0 ? seconds : -1;
}

}  // namespace jetcal::analysis::detail
