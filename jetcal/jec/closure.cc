// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/closure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/base/threads.h"
#include "jetcal/jec/detail/least_squares.h"
#include "jetcal/jec/detail/robust.h"

namespace jetcal::jec {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kBarrelEnd = 1.3, kEndcapEnd = 2.5;
constexpr std::array kPtEdges{15.,  20.,  30.,  40.,  50.,  65.,   80.,   100.,  130., 170.,
                              220., 300., 400., 550., 750., 1000., 1400., 2000., 3000.};
constexpr std::array kAbsEtaEdges{0.0, 0.3, 0.6, 0.9, 1.3, 1.5, 1.7, 1.9,
                                  2.1, 2.3, 2.5, 2.7, 3.0, 3.5, 4.0, 5.0};
constexpr std::array kRegions{Range{0, kBarrelEnd}, Range{kBarrelEnd, kEndcapEnd}};
constexpr std::array kFineRegions{Range{0, 0.5},   Range{0.5, 1.0}, Range{1.0, 1.3},
                                  Range{1.3, 1.7}, Range{1.7, 2.1}, Range{2.1, 2.5},
                                  Range{2.5, 3.0}, Range{3.0, 5.0}};
constexpr std::array kEtaPtRanges{Range{20, 30},   Range{30, 50},    Range{50, 100},
                                  Range{100, 300}, Range{300, 1000}, Range{1000, 2000}};
constexpr std::array kPileupPtRanges{Range{20, 30}, Range{30, 50}, Range{50, 100}, Range{100, 300},
                                     Range{300, 1000}};
constexpr std::size_t kPileupBins = 8;
constexpr double kPileupSlopeTarget = 0.05;  // % per vertex

// Matched jets with their corrected response.
struct Sample {
  std::vector<double> pt_gen, eta_gen, num_pileup, rho, response;
};

Sample correct(const edm::CalibrationJets& jets, const JetCorrector& corrector, Closure& closure) {
  Sample sample;
  std::vector<double> pt, eta, area;
  closure.jets = jets.num_jets();
  for (std::int64_t row = 0; row < closure.jets; ++row) {
    if (!(jets.pt_raw[row] > 0 && jets.area[row] > 0 && jets.pt_gen[row] > 0)) {
      ++closure.unmatched;
      continue;
    }
    pt.push_back(jets.pt_raw[row]);
    eta.push_back(jets.eta[row]);
    area.push_back(jets.area[row]);
    sample.pt_gen.push_back(jets.pt_gen[row]);
    sample.eta_gen.push_back(jets.eta_gen[row]);
    sample.rho.push_back(jets.rho[row]);
    sample.num_pileup.push_back(jets.num_pileup[row]);
  }
  closure.used = static_cast<std::int64_t>(pt.size());
  if (pt.empty()) {
    fail(ErrorCode::InvalidArgument, "none of the ", closure.jets,
         " gen jets has a reconstructed jet: nothing to measure the closure with");
  }
  const JetTable table{
      closure.used, {{"JetPt", pt}, {"JetEta", eta}, {"JetA", area}, {"Rho", sample.rho}}, {}};
  sample.response.resize(pt.size());
  closure.outside_bins = corrector.factors(table, sample.response).count;
  for (std::size_t i = 0; i < pt.size(); ++i) {
    if (std::isfinite(sample.response[i])) continue;
    fail(ErrorCode::InvalidArgument, "the correction gives no finite factor to a jet of pt_raw ",
         pt[i], " GeV, eta ", eta[i], ", rho ", sample.rho[i]);
  }
  for (std::size_t i = 0; i < pt.size(); ++i) sample.response[i] *= pt[i] / sample.pt_gen[i];
  return sample;
}

bool inside(Range range, double value) { return value >= range.low && value < range.high; }
bool within(Range inner, Range outer) { return inner.low >= outer.low && inner.high <= outer.high; }

double median_target(Range abs_eta, Range pt_gen) {
  if (abs_eta.high > kEndcapEnd) return kNaN;
  if (abs_eta.high <= kBarrelEnd && within(pt_gen, {50, 1000})) return 0.005;
  if (within(pt_gen, {30, 2000})) return 0.01;
  return within(pt_gen, {20, 30}) ? 0.02 : kNaN;
}

Verdict judge(double distance, double error, double target, bool fine) {
  if (std::isnan(target)) return Verdict::NoTarget;
  if (std::isnan(distance)) return Verdict::TooFewJets;
  if (fine && !(error < target / 3)) return Verdict::Undecided;
  return std::abs(distance) < target ? Verdict::Passed : Verdict::Missed;
}

const std::vector<double>& variable_of(const Sample& sample, const std::string& name) {
  if (name == "pt_gen") return sample.pt_gen;
  if (name == "eta_gen") return sample.eta_gen;
  return name == "rho" ? sample.rho : sample.num_pileup;
}

// Measures a series in the bins between `edges`.
ClosureSeries measure(const Sample& sample, ClosureSeries series, const std::vector<double>& edges,
                      const ClosureOptions& options, std::uint64_t seed) {
  const std::vector<double>& variable = variable_of(sample, series.variable);
  std::vector<std::vector<double>> responses(edges.size() - 1);
  std::vector<double> sums(edges.size() - 1, 0.0);
  for (std::size_t i = 0; i < variable.size(); ++i) {
    if (!inside(series.abs_eta, std::abs(sample.eta_gen[i])) ||
        !inside(series.pt_gen, sample.pt_gen[i]) ||
        !inside({edges.front(), edges.back()}, variable[i]))
      continue;
    const auto bin = static_cast<std::size_t>(
        std::upper_bound(edges.begin(), edges.end(), variable[i]) - edges.begin() - 1);
    responses[bin].push_back(sample.response[i]);
    sums[bin] += variable[i];
  }
  for (std::size_t b = 0; b < responses.size(); ++b) {
    const auto jets = static_cast<std::int64_t>(responses[b].size());
    ClosureBin bin{edges[b], edges[b + 1],     0.5 * (edges[b] + edges[b + 1]), jets, kNaN, kNaN,
                   kNaN,     Verdict::NoTarget};
    if (jets > 0) bin.center = sums[b] / static_cast<double>(jets);
    if (jets >= options.min_jets) {
      const detail::Measured median =
          detail::bootstrapped_median(responses[b], options.resamplings, mix64(seed, b));
      bin.median = median.value;
      bin.error = median.error;
    }
    series.bins.push_back(bin);
  }
  return series;
}

void set_targets(ClosureSeries& series, bool fine) {
  for (ClosureBin& bin : series.bins) {
    Range abs_eta = series.abs_eta, pt_gen = series.pt_gen;
    if (series.variable == "pt_gen") pt_gen = {bin.low, bin.high};
    if (series.variable == "eta_gen") {
      abs_eta = {std::min(std::abs(bin.low), std::abs(bin.high)),
                 std::max(std::abs(bin.low), std::abs(bin.high))};
    }
    bin.target = median_target(abs_eta, pt_gen);
    bin.verdict = judge(bin.median - 1, bin.error, bin.target, fine);
  }
}

// Edges of bins with about equally many jets of the series.
std::vector<double> even_edges(const Sample& sample, const ClosureSeries& series) {
  const std::vector<double>& variable = variable_of(sample, series.variable);
  std::vector<double> values;
  for (std::size_t i = 0; i < variable.size(); ++i) {
    if (inside(series.abs_eta, std::abs(sample.eta_gen[i])) &&
        inside(series.pt_gen, sample.pt_gen[i]))
      values.push_back(variable[i]);
  }
  if (values.empty()) return {0, 1};
  std::sort(values.begin(), values.end());
  std::vector<double> edges;
  for (std::size_t k = 0; k < kPileupBins; ++k) {
    const double edge = values[k * values.size() / kPileupBins];
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
  edges.push_back(std::nextafter(values.back(), std::numeric_limits<double>::infinity()));
  return edges;
}

ClosureSlope fit_slope(ClosureSeries series, double target) {
  ClosureSlope slope{std::move(series), kNaN, kNaN, target, Verdict::NoTarget};
  double jets = 0, sum = 0;
  for (const ClosureBin& bin : slope.series.bins) {
    if (!(bin.error > 0)) continue;
    jets += static_cast<double>(bin.jets);
    sum += bin.center * static_cast<double>(bin.jets);
  }
  std::vector<double> design, y, error;
  for (const ClosureBin& bin : slope.series.bins) {
    if (!(bin.error > 0)) continue;
    design.insert(design.end(), {1.0, bin.center - sum / jets});
    y.push_back(bin.median);
    error.push_back(bin.error);
  }
  constexpr std::size_t kMinBins = 3;
  if (y.size() >= kMinBins) {
    if (const auto line = detail::fit_linear(design, y, error)) {
      slope.slope = 100 * line->parameters[1] / line->parameters[0];
      slope.error = 100 * std::sqrt(line->covariance[3]) / line->parameters[0];
    }
  }
  slope.verdict = judge(slope.slope, slope.error, target, false);
  return slope;
}

std::string region_name(Range abs_eta) {
  if (abs_eta.low == 0 && abs_eta.high == kBarrelEnd) return "barrel";
  if (abs_eta.low == kBarrelEnd && abs_eta.high == kEndcapEnd) return "endcap";
  return fmt::format("{:.1f} < |eta| < {:.1f}", abs_eta.low, abs_eta.high);
}

std::vector<double> signed_eta_edges() {
  std::vector<double> edges;
  for (std::size_t k = kAbsEtaEdges.size(); k-- > 1;) edges.push_back(-kAbsEtaEdges[k]);
  edges.insert(edges.end(), kAbsEtaEdges.begin(), kAbsEtaEdges.end());
  return edges;
}

void count(Closure& closure) {
  const auto add = [&](Verdict verdict) {
    closure.passed += verdict == Verdict::Passed;
    closure.missed += verdict == Verdict::Missed;
    closure.undecided += verdict == Verdict::Undecided;
    closure.too_few_jets += verdict == Verdict::TooFewJets;
  };
  for (const auto* list : {&closure.against_pt, &closure.against_eta}) {
    for (const ClosureSeries& series : *list) {
      for (const ClosureBin& bin : series.bins) add(bin.verdict);
    }
  }
  for (const auto* list : {&closure.against_pileup, &closure.against_rho}) {
    for (const ClosureSlope& slope : *list) add(slope.verdict);
  }
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json series_json(const ClosureSeries& series) {
  Json bins = Json::array();
  for (const ClosureBin& bin : series.bins) {
    bins.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"center", bin.center},
                    {"jets", bin.jets},
                    {"median", number(bin.median)},
                    {"error", number(bin.error)},
                    {"target", number(bin.target)},
                    {"verdict", verdict_name(bin.verdict)}});
  }
  return {{"variable", series.variable},
          {"region", series.region},
          {"abs_eta", Json::array({series.abs_eta.low, series.abs_eta.high})},
          {"pt_gen", Json::array({series.pt_gen.low, series.pt_gen.high})},
          {"bins", bins}};
}

Json slope_json(const ClosureSlope& slope) {
  Json document = series_json(slope.series);
  document["slope_percent"] = number(slope.slope);
  document["slope_error_percent"] = number(slope.error);
  document["target_percent"] = number(slope.target);
  document["verdict"] = verdict_name(slope.verdict);
  return document;
}

// One series to measure and where its result goes.
struct Task {
  ClosureSeries series;
  std::vector<ClosureSeries>* list = nullptr;
  std::vector<ClosureSlope>* slopes = nullptr;
  std::size_t at = 0;
  bool fine = false;
};

std::vector<Task> plan(Closure& closure) {
  std::vector<Task> tasks;
  const auto add_series = [&](auto& list, ClosureSeries series, bool fine) {
    list.emplace_back();
    tasks.push_back({std::move(series), &list, nullptr, list.size() - 1, fine});
  };
  const Range all_pt{kPtEdges.front(), kPtEdges.back()};
  for (const Range region : kRegions)
    add_series(closure.against_pt, {"pt_gen", region_name(region), region, all_pt, {}}, false);
  for (const Range region : kFineRegions)
    add_series(closure.against_pt, {"pt_gen", region_name(region), region, all_pt, {}}, true);
  for (const Range pt : kEtaPtRanges)
    add_series(closure.against_eta, {"eta_gen", "all", {0, kAbsEtaEdges.back()}, pt, {}}, true);
  for (const Range region : kRegions) {
    for (const Range pt : kPileupPtRanges) {
      for (auto* list : {&closure.against_pileup, &closure.against_rho}) {
        const char* variable = list == &closure.against_rho ? "rho" : "num_pileup";
        list->emplace_back();
        tasks.push_back({{variable, region_name(region), region, pt, {}},
                         nullptr,
                         list,
                         list->size() - 1,
                         false});
      }
    }
  }
  return tasks;
}

void run(const Task& task, const Sample& sample, const ClosureOptions& options,
         std::uint64_t seed) {
  if (task.slopes != nullptr) {
    const bool judged = task.series.variable == "num_pileup" && task.series.pt_gen.low >= 30;
    (*task.slopes)[task.at] =
        fit_slope(measure(sample, task.series, even_edges(sample, task.series), options, seed),
                  judged ? kPileupSlopeTarget : kNaN);
    return;
  }
  const std::vector<double> edges = task.series.variable == "pt_gen"
                                        ? std::vector<double>(kPtEdges.begin(), kPtEdges.end())
                                        : signed_eta_edges();
  ClosureSeries series = measure(sample, task.series, edges, options, seed);
  set_targets(series, task.fine);
  (*task.list)[task.at] = std::move(series);
}

}  // namespace

std::string_view verdict_name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::NoTarget:
      return "no target";
    case Verdict::Passed:
      return "passed";
    case Verdict::Missed:
      return "missed";
    case Verdict::Undecided:
      return "undecided";
    case Verdict::TooFewJets:
      return "too few jets";
  }
  return "";
}

Closure measure_closure(const edm::CalibrationJets& jets, const JetCorrector& corrector,
                        const ClosureOptions& options) {
  if (options.resamplings < 2 || options.min_jets < 2)
    fail(ErrorCode::InvalidArgument, "the closure needs at least 2 resamplings and min_jets >= 2");
  Closure closure;
  const Sample sample = correct(jets, corrector, closure);
  const std::vector<Task> tasks = plan(closure);
  const auto total = static_cast<std::int64_t>(tasks.size());
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(total, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (stop_requested()) fail(ErrorCode::Cancelled, "stopped while the closure was measured");
      run(tasks[i], sample, options, mix64(options.seed, i));
      const std::lock_guard lock(mutex);
      ++done;
      if (options.on_progress) options.on_progress(done, total);
    }
  });
  count(closure);
  return closure;
}

nlohmann::ordered_json to_json(const Closure& closure) {
  Json document{{"jets", closure.jets},
                {"unmatched", closure.unmatched},
                {"used", closure.used},
                {"outside_bins", closure.outside_bins},
                {"targets",
                 {{"passed", closure.passed},
                  {"missed", closure.missed},
                  {"undecided", closure.undecided},
                  {"too_few_jets", closure.too_few_jets}}}};
  const auto list = [&](const char* name, const auto& values, auto&& write) {
    document[name] = Json::array();
    for (const auto& value : values) document[name].push_back(write(value));
  };
  list("against_pt", closure.against_pt, series_json);
  list("against_eta", closure.against_eta, series_json);
  list("against_pileup", closure.against_pileup, slope_json);
  list("against_rho", closure.against_rho, slope_json);
  return document;
}

}  // namespace jetcal::jec
