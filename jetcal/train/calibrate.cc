// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "jetcal/models/predictor.h"
#include "jetcal/train/batch_loader.h"

namespace jetcal::train {
namespace {

constexpr std::int64_t kBatch = 1024;
constexpr int kClosureRounds = 3;
constexpr int kResolutionRounds = 12;
// A median that follows the fluctuations of few jets makes the jets that it was derived from look
// better than others.
constexpr std::int64_t kLeastJetsClosure = 1000;
constexpr std::int64_t kLeastJetsResolution = 1000;
constexpr std::int64_t kMostResolutionBins = 24;
constexpr double kClosureBinWidth = 0.12;  // in log(pt_gen)
constexpr std::array<float, 5> kClosureEta{0.5F, 1.0F, 1.3F, 1.7F, 2.1F};
constexpr float kBarrelEnd = 1.3F;

// Reorders `values`. Requires: not empty.
double quantile(std::vector<float>& values, double part) {
  const double place = part * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::ptrdiff_t>(place);
  const auto at = values.begin() + low;
  std::nth_element(values.begin(), at, values.end());
  const double first = *at;
  if (at + 1 == values.end()) return first;
  const double next = *std::min_element(at + 1, values.end());
  return first + (place - static_cast<double>(low)) * (next - first);
}

// Keeps the edges whose bins hold enough jets, joining small bins to the ones below.
std::vector<float> join_small_bins(const std::vector<float>& values,
                                   const std::vector<float>& edges, std::int64_t least) {
  std::vector<float> sorted(values);
  std::sort(sorted.begin(), sorted.end());
  const auto below = [&sorted](float edge) {
    return std::lower_bound(sorted.begin(), sorted.end(), edge) - sorted.begin();
  };
  std::vector<float> kept;
  std::int64_t counted = 0;
  for (const float edge : edges) {
    if (below(edge) - counted < least) continue;
    kept.push_back(edge);
    counted = below(edge);
  }
  while (!kept.empty() && std::ssize(sorted) - below(kept.back()) < least) kept.pop_back();
  return kept;
}

std::size_t bin_of(const std::vector<float>& edges, float value) {
  return static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), value) -
                                  edges.begin());
}

std::vector<float> absolute(const std::vector<float>& values) {
  std::vector<float> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(),
                 [](float value) { return std::abs(value); });
  return result;
}

// Evaluates the line through (x, y) at the knots; constant beyond the ends.
std::vector<float> resample(const std::vector<float>& x, const std::vector<float>& y,
                            const std::vector<float>& knots) {
  const models::PtEtaTable line{{}, x, y};
  std::vector<float> values;
  values.reserve(knots.size());
  for (const float knot : knots) values.push_back(line.at(0, knot));
  return values;
}

// The correction of one bin of |eta|, at places in log(pt) that ascend.
struct ClosureLine {
  std::vector<float> x, y;
};

ClosureLine invert_response(const PredictedJets& jets, const std::vector<std::int64_t>& rows,
                            double least_log_pt_gen) {
  std::vector<float> gen;
  std::vector<std::int64_t> used;
  for (const std::int64_t row : rows) {
    if (jets.log_pt_gen[row] < least_log_pt_gen) continue;
    gen.push_back(jets.log_pt_gen[row]);
    used.push_back(row);
  }
  if (std::ssize(used) < kLeastJetsClosure) return {};
  const auto [first, last] = std::minmax_element(gen.begin(), gen.end());
  std::vector<float> edges;
  for (double edge = *first + kClosureBinWidth; edge < *last; edge += kClosureBinWidth)
    edges.push_back(static_cast<float>(edge));
  edges = join_small_bins(gen, edges, kLeastJetsClosure);
  std::vector<std::vector<std::int64_t>> bins(edges.size() + 1);
  for (const std::int64_t row : used) bins[bin_of(edges, jets.log_pt_gen[row])].push_back(row);

  ClosureLine line;
  std::vector<const std::vector<std::int64_t>*> points;
  std::vector<float> values;
  for (const std::vector<std::int64_t>& bin : bins) {
    values.clear();
    for (const std::int64_t row : bin) values.push_back(jets.log_pt[row]);
    const auto middle = static_cast<float>(quantile(values, 0.5));
    if (!line.x.empty() && middle <= line.x.back()) continue;  // not invertible there
    line.x.push_back(middle);
    line.y.push_back(0);
    points.push_back(&bin);
  }
  for (int round = 0; round < kClosureRounds; ++round) {
    const models::PtEtaTable present{{}, line.x, line.y};
    for (std::size_t i = 0; i < points.size(); ++i) {
      values.clear();
      for (const std::int64_t row : *points[i]) {
        values.push_back(jets.log_pt[row] + present.at(0, jets.log_pt[row]) - jets.log_pt_gen[row]);
      }
      line.y[i] -= static_cast<float>(quantile(values, 0.5));
    }
  }
  return line;
}

}  // namespace

std::optional<PredictedJets> predict_all(const models::Model& model, const JetSource& source,
                                         const std::function<bool()>& should_stop) {
  const models::Predictor predictor(model);
  const bool with_resolution = models::has_resolution(model.config);
  BatchLoader loader(source, source.stored_order(), kBatch);
  PredictedJets jets;
  std::vector<float> y;
  std::vector<float> resolution;
  while (const edm::FeatureBatch* const batch = loader.next()) {
    if (should_stop && should_stop()) return std::nullopt;
    y.resize(batch->target.size());
    if (with_resolution) {
      resolution.resize(y.size());
      predictor.predict(batch->view(), y, resolution);
    } else {
      predictor.predict(batch->view(), y);
    }
    for (std::size_t jet = 0; jet < y.size(); ++jet) {
      const float* const own =
          batch->jets.data() + static_cast<std::int64_t>(jet) * batch->jet_features;
      const float log_pt_reco = own[0] + (batch->log_jec.empty() ? 0.0F : batch->log_jec[jet]);
      // Without gen jet the target is exactly 0, which no matched jet hits but by chance.
      if (batch->target[jet] == 0) continue;
      jets.log_pt.push_back(own[0] + y[jet]);
      jets.log_pt_reco.push_back(log_pt_reco);
      jets.log_pt_gen.push_back(log_pt_reco + batch->target[jet]);
      jets.eta.push_back(own[1]);
      if (with_resolution) jets.resolution.push_back(resolution[jet]);
    }
  }
  return jets;
}

models::PtEtaTable derive_closure(const PredictedJets& jets) {
  models::PtEtaTable table;
  if (jets.size() == 0) return table;
  std::vector<float> reco(jets.log_pt_reco);
  const double least = quantile(reco, 0.001) + std::log(1.5);
  table.eta_edges = join_small_bins(absolute(jets.eta), {kClosureEta.begin(), kClosureEta.end()},
                                    8 * kLeastJetsClosure);
  std::vector<std::vector<std::int64_t>> bins(table.eta_edges.size() + 1);
  for (std::int64_t row = 0; row < jets.size(); ++row)
    bins[bin_of(table.eta_edges, std::abs(jets.eta[row]))].push_back(row);
  std::vector<ClosureLine> lines;
  lines.reserve(bins.size());
  for (const std::vector<std::int64_t>& bin : bins)
    lines.push_back(invert_response(jets, bin, least));
  // All bins of |eta| share their knots.
  float low = std::numeric_limits<float>::max();
  float high = std::numeric_limits<float>::lowest();
  for (const ClosureLine& line : lines) {
    if (line.x.empty()) continue;
    low = std::min(low, line.x.front());
    high = std::max(high, line.x.back());
  }
  if (low > high) return {};  // too few jets anywhere
  const auto steps = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::ceil((high - low) / kClosureBinWidth)));
  for (std::int64_t k = 0; k <= steps; ++k) {
    table.knots.push_back(low + std::max(high - low, 1e-3F) * static_cast<float>(k) /
                                    static_cast<float>(steps));
  }
  for (const ClosureLine& line : lines) {
    const std::vector<float> values = line.x.empty() ? std::vector<float>(table.knots.size(), 0.0F)
                                                     : resample(line.x, line.y, table.knots);
    table.values.insert(table.values.end(), values.begin(), values.end());
  }
  return table;
}

models::PtEtaTable derive_resolution(const PredictedJets& jets, const std::vector<float>& log_pt) {
  models::PtEtaTable table;
  if (jets.size() == 0) return table;
  table.eta_edges = join_small_bins(absolute(jets.eta), {kBarrelEnd}, 2 * kLeastJetsResolution);
  const auto regions = static_cast<std::int64_t>(table.eta_edges.size()) + 1;
  const std::int64_t count = std::clamp<std::int64_t>(
      jets.size() / (regions * kLeastJetsResolution), 1, kMostResolutionBins);
  std::vector<float> sorted(log_pt);
  std::sort(sorted.begin(), sorted.end());
  std::vector<float> edges;
  for (std::int64_t bin = 0; bin < count; ++bin) {
    const std::int64_t begin = std::ssize(sorted) * bin / count;
    const std::int64_t end = std::ssize(sorted) * (bin + 1) / count;
    const float middle = sorted[(begin + end) / 2];
    if (!table.knots.empty() && middle <= table.knots.back()) continue;
    if (!table.knots.empty()) edges.push_back(sorted[begin]);
    table.knots.push_back(middle);
  }
  table.values.assign(static_cast<std::size_t>(regions * table.num_knots()), 1.0F);
  std::vector<std::vector<std::int64_t>> bins(table.values.size());
  for (std::int64_t row = 0; row < jets.size(); ++row) {
    const std::size_t region = bin_of(table.eta_edges, std::abs(jets.eta[row]));
    bins[region * table.knots.size() + bin_of(edges, log_pt[row])].push_back(row);
  }
  std::vector<float> pulls;
  for (int round = 0; round < kResolutionRounds; ++round) {
    const models::PtEtaTable present = table;
    for (std::size_t bin = 0; bin < bins.size(); ++bin) {
      if (bins[bin].empty()) continue;
      pulls.clear();
      for (const std::int64_t row : bins[bin]) {
        pulls.push_back(std::abs(jets.log_pt[row] - jets.log_pt_gen[row]) /
                        (jets.resolution[row] * present.at(jets.eta[row], log_pt[row])));
      }
      const double pull = quantile(pulls, kCoverage);
      if (pull > 0) table.values[bin] *= static_cast<float>(pull);
    }
  }
  return table;
}

std::optional<models::Calibration> calibrate(const models::Model& model, const JetSource& source,
                                             const CalibrationOptions& options,
                                             const std::function<bool()>& should_stop) {
  models::Calibration calibration;
  const bool with_resolution = models::has_resolution(model.config);
  if (!options.closure && !with_resolution) return calibration;
  std::optional<PredictedJets> jets = predict_all(model, source, should_stop);
  if (!jets) return std::nullopt;
  const std::vector<float> log_pt = jets->log_pt;
  if (options.closure) {
    calibration.closure = derive_closure(*jets);
    for (std::int64_t row = 0; row < jets->size(); ++row) {
      if (calibration.closure.empty()) break;
      jets->log_pt[row] += calibration.closure.at(jets->eta[row], log_pt[row]);
    }
  }
  if (with_resolution) calibration.resolution = derive_resolution(*jets, log_pt);
  models::require_usable(calibration, "calibration");
  return calibration;
}

}  // namespace jetcal::train
