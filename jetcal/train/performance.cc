// SPDX-License-Identifier: Apache-2.0
// The tables of coverage and closure.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "jetcal/train/calibrate.h"

namespace jetcal::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::array<double, 9> kCoveragePt{0, 30, 50, 100, 200, 300, 500, 1000, kInfinity};
constexpr std::array<double, 5> kClosurePt{50, 100, 300, 1000, kInfinity};
constexpr std::int64_t kLeastJets = 100;

struct Region {
  const char* name;
  float low, high;
};
constexpr std::array<Region, 2> kRegions{{{"barrel", 0.0F, 1.3F}, {"endcap", 1.3F, 2.5F}}};

Json upper_edge(double edge) { return std::isfinite(edge) ? Json(edge) : Json(nullptr); }

Json coverage_row(const PredictedJets& jets, const std::vector<std::int64_t>& rows) {
  std::int64_t covered = 0;
  std::vector<float> resolution;
  for (const std::int64_t row : rows) {
    covered += static_cast<std::int64_t>(std::abs(jets.log_pt[row] - jets.log_pt_gen[row]) <=
                                         jets.resolution[row]);
    resolution.push_back(jets.resolution[row]);
  }
  const auto count = static_cast<double>(rows.size());
  const double part = static_cast<double>(covered) / count;
  std::nth_element(resolution.begin(), resolution.begin() + std::ssize(resolution) / 2,
                   resolution.end());
  return {{"jets", rows.size()},
          {"coverage", part},
          {"error", std::sqrt(part * (1 - part) / count)},
          {"median_resolution", resolution[resolution.size() / 2]}};
}

Json coverage_table(const PredictedJets& jets, const std::vector<float>& log_pt) {
  Json table = Json::array();
  for (std::size_t bin = 0; bin + 1 < kCoveragePt.size(); ++bin) {
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < jets.size(); ++row) {
      const double pt = std::exp(static_cast<double>(log_pt[row]));
      if (pt >= kCoveragePt[bin] && pt < kCoveragePt[bin + 1]) rows.push_back(row);
    }
    if (rows.empty()) continue;
    Json entry{{"pt_low", kCoveragePt[bin]}, {"pt_high", upper_edge(kCoveragePt[bin + 1])}};
    entry.update(coverage_row(jets, rows));
    table.push_back(entry);
  }
  return table;
}

// Median of pt / pt_gen, each jet weighted by pt_gen to the `power`. Requires: sorted rows.
double weighted_median(const PredictedJets& jets, const std::vector<std::int64_t>& by_response,
                       double power) {
  const auto weight = [&jets, power](std::int64_t row) {
    return std::exp(power * static_cast<double>(jets.log_pt_gen[row]));
  };
  double total = 0;
  for (const std::int64_t row : by_response) total += weight(row);
  double sum = 0;
  for (const std::int64_t row : by_response) {
    sum += weight(row);
    if (2 * sum >= total) return std::exp(jets.log_pt[row] - jets.log_pt_gen[row]);
  }
  return 1;
}

Json closure_table(const PredictedJets& jets) {
  Json rows = Json::array();
  double largest_change = 0;
  double largest_gap = 0;
  for (const Region& region : kRegions) {
    for (std::size_t bin = 0; bin + 1 < kClosurePt.size(); ++bin) {
      std::vector<std::int64_t> inside;
      for (std::int64_t row = 0; row < jets.size(); ++row) {
        const double pt = std::exp(static_cast<double>(jets.log_pt_gen[row]));
        const float eta = std::abs(jets.eta[row]);
        if (pt >= kClosurePt[bin] && pt < kClosurePt[bin + 1] && eta >= region.low &&
            eta < region.high)
          inside.push_back(row);
      }
      if (std::ssize(inside) < kLeastJets) continue;
      std::sort(inside.begin(), inside.end(), [&jets](std::int64_t a, std::int64_t b) {
        return jets.log_pt[a] - jets.log_pt_gen[a] < jets.log_pt[b] - jets.log_pt_gen[b];
      });
      const double plain = weighted_median(jets, inside, 0);
      const double harder = weighted_median(jets, inside, 1);
      const double softer = weighted_median(jets, inside, -1);
      const double change = std::max(std::abs(harder / plain - 1), std::abs(softer / plain - 1));
      largest_change = std::max(largest_change, change);
      largest_gap = std::max(largest_gap, std::abs(plain - 1));
      rows.push_back({{"region", region.name},
                      {"pt_gen_low", kClosurePt[bin]},
                      {"pt_gen_high", upper_edge(kClosurePt[bin + 1])},
                      {"jets", inside.size()},
                      {"response", plain},
                      {"response_harder", harder},
                      {"response_softer", softer},
                      {"change_percent", 100 * change}});
    }
  }
  return {{"bins", rows},
          {"largest_gap_percent", 100 * largest_gap},
          {"largest_change_percent", 100 * largest_change}};
}

// How much corrections differ from jet to jet: hardly at all where a training collapsed.
Json prediction_json(const PredictedJets& jets) {
  double sum = 0;
  double squares = 0;
  for (std::int64_t row = 0; row < jets.size(); ++row) {
    const double y = static_cast<double>(jets.log_pt[row]) - jets.log_pt_reco[row];
    sum += y;
    squares += y * y;
  }
  const auto count = static_cast<double>(std::max<std::int64_t>(jets.size(), 1));
  const double mean = sum / count;
  return {{"jets", jets.size()},
          {"mean", mean},
          {"deviation", std::sqrt(std::max(squares / count - mean * mean, 0.0))}};
}

}  // namespace

nlohmann::ordered_json performance_json(const PredictedJets& jets) {
  Json document = Json::object();
  if (!jets.resolution.empty()) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(jets.size()));
    std::iota(all.begin(), all.end(), 0);
    document["coverage"] = {{"wanted", kCoverage},
                            {"all", coverage_row(jets, all)},
                            {"by_pt_corr", coverage_table(jets, jets.log_pt)},
                            {"by_pt_gen", coverage_table(jets, jets.log_pt_gen)}};
  }
  document["closure"] = closure_table(jets);
  document["prediction"] = prediction_json(jets);
  return document;
}

}  // namespace jetcal::train
