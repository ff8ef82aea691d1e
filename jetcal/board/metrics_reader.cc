// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/metrics_reader.h"

#include <cmath>
#include <cstdlib>
#include <limits>

namespace jetcal::board {
namespace {

// Reads name="value" pairs up to "}"; returns what is behind it, or nothing where it does not end.
std::string_view read_labels(std::string_view text, std::map<std::string, std::string>& labels) {
  while (!text.empty() && text.front() != '}') {
    const std::size_t equal = text.find("=\"");
    if (equal == std::string_view::npos) return {};
    const std::string name(text.substr(0, equal));
    text.remove_prefix(equal + 2);
    std::string value;
    while (!text.empty() && text.front() != '"') {
      if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
      value += text.front();
      text.remove_prefix(1);
    }
    if (text.empty()) return {};
    text.remove_prefix(1);
    labels[name] = value;
    if (text.starts_with(",")) text.remove_prefix(1);
  }
  return text.empty() ? text : text.substr(1);
}

bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

double number_of(const std::string& text) {
  return text == "+Inf" ? std::numeric_limits<double>::infinity()
                        : std::strtod(text.c_str(), nullptr);
}

// Counters of a server that was started anew begin at 0 again.
double increase(double before, double after) { return after >= before ? after - before : after; }

}  // namespace

std::vector<MetricLine> parse_metrics(std::string_view text) {
  std::vector<MetricLine> lines;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || !begins_name(line.front())) continue;  // comments too
    MetricLine one;
    const std::size_t end = line.find_first_of("{ ");
    if (end == std::string_view::npos || end == 0) continue;
    one.name = line.substr(0, end);
    line.remove_prefix(end);
    if (line.front() == '{') line = read_labels(line.substr(1), one.labels);
    const std::size_t digits = line.find_first_not_of(' ');
    if (digits == std::string_view::npos) continue;
    const std::string value(line.substr(digits));
    char* rest = nullptr;
    one.value = std::strtod(value.c_str(), &rest);
    if (rest != value.c_str()) lines.push_back(std::move(one));
  }
  return lines;
}

ServerCounts server_counts(const std::vector<MetricLine>& lines) {
  ServerCounts counts;
  for (const MetricLine& line : lines) {
    const auto model = line.labels.find("model"), version = line.labels.find("version");
    if (model == line.labels.end() || version == line.labels.end()) continue;
    ModelCounts& one = counts[{model->second, version->second}];
    const auto bound = line.labels.find("le"), fraction = line.labels.find("quantile");
    if (line.name == "nv_inference_request_success") one.success = line.value;
    if (line.name == "nv_inference_request_failure") one.failure += line.value;
    if (line.name == "nv_inference_count") one.rows = line.value;
    if (line.name == "nv_inference_exec_count") one.executions = line.value;
    if (line.name == "nv_inference_pending_request_count") one.pending = line.value;
    if (line.name == "nv_inference_request_summary_us" && fraction != line.labels.end())
      one.quantiles[number_of(fraction->second)] = line.value;
    if (line.name == "jetcal_inference_request_duration_us_bucket" && bound != line.labels.end())
      one.buckets[number_of(bound->second)] = line.value;
  }
  return counts;
}

double bucket_quantile(const std::map<double, double>& before,
                       const std::map<double, double>& after, double fraction) {
  if (after.empty()) return 0;
  const auto known = [&before](double bound) {
    const auto found = before.find(bound);
    return found == before.end() ? 0.0 : found->second;
  };
  // Of a server that was started anew, everything is new.
  const bool anew = after.rbegin()->second < known(after.rbegin()->first);
  const auto count = [&](const std::pair<const double, double>& bucket) {
    return anew ? bucket.second : bucket.second - known(bucket.first);
  };
  const double total = count(*after.rbegin());
  if (!(total > 0)) return 0;
  double low = 0, below = 0;
  for (const auto& bucket : after) {
    const double up_to = count(bucket);
    if (up_to >= fraction * total) {
      if (!std::isfinite(bucket.first)) return low;
      const double inside = up_to - below;
      return inside > 0 ? low + (bucket.first - low) * (fraction * total - below) / inside : low;
    }
    low = bucket.first;
    below = up_to;
  }
  return low;
}

RatePoint rate_between(const ModelCounts& before, const ModelCounts& after, double seconds) {
  RatePoint point;
  const double rows = increase(before.rows, after.rows);
  const double runs = increase(before.executions, after.executions);
  point.requests = increase(before.success, after.success) / seconds;
  point.failures = increase(before.failure, after.failure) / seconds;
  point.rows = rows / seconds;
  point.batch = runs > 0 ? rows / runs : 0;
  point.p50 = bucket_quantile(before.buckets, after.buckets, 0.5);
  point.p90 = bucket_quantile(before.buckets, after.buckets, 0.9);
  point.p99 = bucket_quantile(before.buckets, after.buckets, 0.99);
  point.pending = after.pending;
  return point;
}

}  // namespace jetcal::board
