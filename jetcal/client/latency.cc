// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/latency.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "jetcal/base/random.h"

namespace jetcal::client {

double percentile(std::span<const double> ascending, double q) noexcept {
  if (ascending.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(ascending.size())));
  return ascending[std::clamp<std::size_t>(rank, 1, ascending.size()) - 1];
}

LatencySummary summarise(std::vector<double> latencies) {
  LatencySummary summary;
  if (latencies.empty()) return summary;
  std::sort(latencies.begin(), latencies.end());
  summary.count = std::ssize(latencies);
  summary.mean = std::accumulate(latencies.begin(), latencies.end(), 0.0) /
                 static_cast<double>(latencies.size());
  summary.p50 = percentile(latencies, 0.5);
  summary.p90 = percentile(latencies, 0.9);
  summary.p95 = percentile(latencies, 0.95);
  summary.p99 = percentile(latencies, 0.99);
  summary.p999 = percentile(latencies, 0.999);
  summary.max = latencies.back();
  return summary;
}

std::vector<double> poisson_arrivals(double rate, double seconds, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<double> times;
  for (double time = rng.exponential() / rate; time < seconds; time += rng.exponential() / rate)
    times.push_back(time);
  return times;
}

}  // namespace jetcal::client
