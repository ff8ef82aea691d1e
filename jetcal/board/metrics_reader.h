// SPDX-License-Identifier: Apache-2.0
// Reads what a server counts, in the text format of Prometheus, and makes rates of it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::board {

/// One line of a metrics page.
struct MetricLine {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

/// Reads the lines; comments and lines that are no metric are left out.
std::vector<MetricLine> parse_metrics(std::string_view text);

/// What a server has counted for one version of a model since it started.
struct ModelCounts {
  double success = 0, failure = 0;
  double rows = 0;        ///< Jets inferred.
  double executions = 0;  ///< Runs of the network.
  double pending = 0;
  std::map<double, double> quantiles;  ///< Fraction to microseconds, over the whole life.
  std::map<double, double> buckets;    ///< Upper bound in microseconds to requests up to there.
};

/// By name and version.
using ServerCounts = std::map<std::pair<std::string, std::string>, ModelCounts>;
ServerCounts server_counts(const std::vector<MetricLine>& lines);

/// What happened between two looks.
struct RatePoint {
  double time = 0;                              ///< Seconds since 1970, of the second look.
  double requests = 0, failures = 0, rows = 0;  ///< A second.
  double batch = 0;                             ///< Rows of one run of the network; 0: none ran.
  double p50 = 0, p90 = 0, p99 = 0;             ///< Microseconds; 0 where no request ended.
  double pending = 0;
};

/// Counters that went back (the server was started anew) count from 0. Requires seconds > 0.
RatePoint rate_between(const ModelCounts& before, const ModelCounts& after, double seconds);

/// The quantile of what came between two cumulative histograms, linear inside a bucket; 0 where
/// nothing came. Beyond the last finite bound that bound is given.
double bucket_quantile(const std::map<double, double>& before,
                       const std::map<double, double>& after, double fraction);

}  // namespace jetcal::board
