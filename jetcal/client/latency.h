// SPDX-License-Identifier: Apache-2.0
// Percentiles of waiting times, and the times at which an open loop's requests are due.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace jetcal::client {

/// Sums up waiting times, in the unit of what it was made from; all 0 without any.
struct LatencySummary {
  std::int64_t count = 0;
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0, max = 0;
};

LatencySummary summarise(std::vector<double> latencies);

/// Returns the smallest value that a share `q` of all values does not exceed (the nearest rank);
/// 0 without values. Requires: ascending values, q in [0, 1].
double percentile(std::span<const double> ascending, double q) noexcept;

/// Returns the arrival times of a Poisson process of that rate (per second) in [0, seconds),
/// ascending; the same seed gives the same times.
std::vector<double> poisson_arrivals(double rate, double seconds, std::uint64_t seed);

}  // namespace jetcal::client
