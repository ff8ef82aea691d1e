// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/trial_metrics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

namespace jetcal::hpo {

using Json = nlohmann::json;

namespace {

bool is_name(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '|' ||
         letter == '-' || letter == '.' || letter == '/' || letter == ':';
}

std::optional<double> leading_number(std::string_view text, std::size_t& length) {
  const bool plus = !text.empty() && text.front() == '+';
  double value = 0;
  const char* const begin = text.data() + (plus ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  length = static_cast<std::size_t>(end - text.data());
  return value;
}

void flatten(const Json& node, const std::string& name, Metrics& metrics) {
  if (node.is_structured()) {
    for (const auto& [key, child] : node.items())
      flatten(child, name.empty() ? key : name + "." + key, metrics);
  } else if (node.is_number()) {
    metrics[name] = node.get<double>();
  } else if (node.is_string()) {
    const std::string& text = node.get_ref<const std::string&>();
    std::size_t length = 0;
    const std::optional<double> value = leading_number(text, length);
    if (value && length == text.size()) metrics[name] = *value;
  }
}

// Calls `take` with each line and where it begins and ends; returns where the next one begins.
template <typename Take>
std::size_t for_each_line(std::string_view text, bool all, const Take& take) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos && !all) break;
    end = std::min(end, text.size());
    take(text.substr(begin, end - begin), begin, end);
    begin = std::min(text.size(), end + 1);
  }
  return begin;
}

using ParseLine = Metrics (*)(std::string_view line);

std::size_t take_lines(std::string_view text, bool all, ParseLine parse,
                       std::vector<Metrics>& found) {
  return for_each_line(text, all, [&](std::string_view line, std::size_t, std::size_t) {
    Metrics metrics = parse(line);
    if (!metrics.empty()) found.push_back(std::move(metrics));
  });
}

// A document over several lines begins and ends in the first column; until it is whole, nothing
// from its beginning on counts as read.
std::size_t take_json(std::string_view text, bool all, std::vector<Metrics>& found) {
  constexpr std::size_t kClosed = std::string_view::npos;
  std::size_t open = kClosed;  // where it begins
  const std::size_t done =
      for_each_line(text, all, [&](std::string_view line, std::size_t begin, std::size_t end) {
        const bool first = line.starts_with('{') || line.starts_with('[');
        const bool last = line.starts_with('}') || line.starts_with(']');
        Metrics metrics;
        if (open == kClosed || first) metrics = parse_metrics_json(line);
        if (open != kClosed && last) metrics = parse_metrics_json(text.substr(open, end - open));
        if (!metrics.empty()) {
          found.push_back(std::move(metrics));
          open = kClosed;
        } else if (open == kClosed && first && !Json::accept(line)) {
          open = begin;
        }
      });
  if (open == kClosed) return done;
  if (!all) return open;
  // It was none: what follows is lines.
  take_lines(text.substr(open), all, parse_metrics_json, found);
  return done;
}

}  // namespace

Metrics parse_metrics_line(std::string_view line) {
  Metrics metrics;
  for (std::size_t equal = line.find('='); equal != std::string_view::npos;
       equal = line.find('=', equal + 1)) {
    std::size_t name_end = equal;
    while (name_end > 0 && line[name_end - 1] == ' ') --name_end;
    std::size_t name_begin = name_end;
    while (name_begin > 0 && is_name(line[name_begin - 1])) --name_begin;
    std::size_t value_begin = equal + 1;
    while (value_begin < line.size() && line[value_begin] == ' ') ++value_begin;
    std::size_t length = 0;
    const std::optional<double> value = leading_number(line.substr(value_begin), length);
    if (name_begin < name_end && value)
      metrics[std::string(line.substr(name_begin, name_end - name_begin))] = *value;
  }
  return metrics;
}

Metrics parse_metrics_json(std::string_view text) {
  Metrics metrics;
  const Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_discarded() && document.is_structured()) flatten(document, "", metrics);
  return metrics;
}

MetricsFile::MetricsFile(std::filesystem::path path, Format format)
    : path_(std::move(path)), format_(format) {}

std::vector<Metrics> MetricsFile::poll() { return read(/*all=*/false); }
std::vector<Metrics> MetricsFile::finish() { return read(/*all=*/true); }

std::vector<Metrics> MetricsFile::read(bool all) {
  std::vector<Metrics> found;
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return found;
  struct stat info {};
  ::fstat(file, &info);
  const auto size = static_cast<std::uintmax_t>(info.st_size);
  if ((info.st_ino != file_ && file_ != 0) || size < offset_) offset_ = seen_ = 0;
  file_ = info.st_ino;
  if (!all && size == seen_) {
    ::close(file);
    return found;
  }
  seen_ = size;
  std::string text;
  ::lseek(file, static_cast<off_t>(offset_), SEEK_SET);
  std::array<char, 65536> block{};
  for (ssize_t got = 0; (got = ::read(file, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<std::size_t>(got));
  ::close(file);
  if (all && format_ == Format::Json) {
    // A document over several lines.
    Metrics whole = parse_metrics_json(text);
    if (!whole.empty()) {
      offset_ += text.size();
      found.push_back(std::move(whole));
      return found;
    }
  }
  offset_ += format_ == Format::Text ? take_lines(text, all, parse_metrics_line, found)
                                     : take_json(text, all, found);
  return found;
}

}  // namespace jetcal::hpo
