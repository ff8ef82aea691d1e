// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/derive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <string>

#include "jetcal/base/error.h"
#include "jetcal/base/stop.h"
#include "jetcal/base/threads.h"
#include "jetcal/jec/detail/derive_fits.h"

namespace jetcal::jec {
namespace {

using Json = nlohmann::ordered_json;

// The edges of CMS's corrections (half of the 82 bins; the other half is the mirror image).
constexpr std::array kAbsEtaEdges{0.0,   0.087, 0.174, 0.261, 0.348, 0.435, 0.522, 0.609, 0.696,
                                  0.783, 0.879, 0.957, 1.044, 1.131, 1.218, 1.305, 1.392, 1.479,
                                  1.566, 1.653, 1.74,  1.83,  1.93,  2.043, 2.172, 2.322, 2.5,
                                  2.65,  2.853, 2.964, 3.139, 3.314, 3.489, 3.664, 3.839, 4.013,
                                  4.191, 4.363, 4.538, 4.716, 4.889, 5.191};
// Bins are not joined across these: barrel, tracker's end, endcap's end.
constexpr std::array kBorders{1.305, 2.5, 2.964};

void check(const edm::CalibrationJets& jets, const DeriveOptions& options) {
  const std::size_t size = jets.pt_gen.size();
#define JETCAL_CHECK(type, name, branch)                                                  \
  if (jets.name.size() != size) {                                                         \
    fail(ErrorCode::InvalidArgument, "the column " branch " has ", jets.name.size(),      \
         " values and genJetPt has ", size);                                              \
  }                                                                                       \
  for (std::size_t i = 0; i < size; ++i) {                                                \
    if (!std::isfinite(static_cast<double>(jets.name[i])))                                \
      fail(ErrorCode::InvalidArgument, "the column " branch " is not finite in row ", i); \
  }
  JETCAL_CALIBRATION_COLUMNS(JETCAL_CHECK)
#undef JETCAL_CHECK
  if (options.iterations < 2 || options.min_degree < 1 || options.max_degree < options.min_degree ||
      options.max_degree > 12 || options.min_jets_eta < 1 || options.min_jets_pt < 1 ||
      options.min_jets_cell < 2 || !(options.trim >= 0 && options.trim <= 0.25) ||
      !(options.pt_gen_min > 0)) {
    fail(ErrorCode::InvalidArgument,
         "the options of the derivation need iterations >= 2, 1 <= min_degree <= max_degree <= 12, "
         "minima of "
         "jets >= 1 (cells: 2), trim in [0, 0.25] and pt_gen_min > 0");
  }
}

std::size_t abs_eta_bin(double eta) {
  return static_cast<std::size_t>(
      std::upper_bound(kAbsEtaEdges.begin(), kAbsEtaEdges.end(), std::abs(eta)) -
      kAbsEtaEdges.begin() - 1);
}

// What a fine bin of |eta| holds.
struct EtaBin {
  std::vector<std::int64_t> matched, with_partner;
  std::vector<std::int64_t> gen_counts;  // in bins of pt_gen_edges()
};

std::size_t pt_gen_bin(double pt_gen) {
  const std::span<const double> edges = detail::pt_gen_edges();
  return static_cast<std::size_t>(std::upper_bound(edges.begin() + 1, edges.end() - 1, pt_gen) -
                                  edges.begin() - 1);
}

std::vector<EtaBin> sort_jets(const edm::CalibrationJets& jets, const DeriveOptions& options,
                              DerivationCounts& counts) {
  constexpr std::size_t kNumBins = kAbsEtaEdges.size() - 1;
  std::vector<EtaBin> bins(kNumBins);
  for (EtaBin& bin : bins) bin.gen_counts.assign(detail::pt_gen_edges().size() - 1, 0);
  counts.jets = jets.num_jets();
  for (std::int64_t row = 0; row < counts.jets; ++row) {
    if (jets.pt_gen[row] < options.pt_gen_min) {
      ++counts.below_pt_gen;
      continue;
    }
    const bool matched = jets.pt_raw[row] > 0 && jets.area[row] > 0;
    const std::size_t at = abs_eta_bin(matched ? jets.eta[row] : jets.eta_gen[row]);
    if (at < kNumBins) ++bins[at].gen_counts[pt_gen_bin(jets.pt_gen[row])];
    if (!matched) {
      ++counts.unmatched;
      continue;
    }
    if (at >= kNumBins) {
      ++counts.outside_eta;
      continue;
    }
    ++counts.used;
    bins[at].matched.push_back(row);
    if (jets.pt_raw_no_pileup[row] > 0) {
      bins[at].with_partner.push_back(row);
    } else {
      ++counts.without_partner;
    }
  }
  return bins;
}

// Groups of bins between the borders, each with enough jets with a partner.
std::vector<std::size_t> group_eta_bins(const std::vector<EtaBin>& bins, std::int64_t minimum) {
  std::vector<std::size_t> groups;
  std::size_t begin = 0;
  while (begin < bins.size()) {
    std::size_t end = begin;
    std::vector<std::int64_t> counts;
    const auto is_border = [&](std::size_t edge) {
      return std::find(kBorders.begin(), kBorders.end(), kAbsEtaEdges[edge]) != kBorders.end();
    };
    do {
      counts.push_back(static_cast<std::int64_t>(bins[end].with_partner.size()));
      ++end;
    } while (end < bins.size() && !is_border(end));
    const std::vector<std::size_t> merged = detail::merge_bins(counts, minimum);
    for (std::size_t g = 0; g + 1 < merged.size(); ++g) groups.push_back(begin + merged[g]);
    begin = end;
  }
  groups.push_back(bins.size());
  return groups;
}

EtaBin join(const std::vector<EtaBin>& bins, std::size_t begin, std::size_t end) {
  EtaBin joined = bins[begin];
  for (std::size_t i = begin + 1; i < end; ++i) {
    joined.matched.insert(joined.matched.end(), bins[i].matched.begin(), bins[i].matched.end());
    joined.with_partner.insert(joined.with_partner.end(), bins[i].with_partner.begin(),
                               bins[i].with_partner.end());
    for (std::size_t k = 0; k < joined.gen_counts.size(); ++k)
      joined.gen_counts[k] += bins[i].gen_counts[k];
  }
  return joined;
}

Json range(Range r) { return Json::array({r.low, r.high}); }

Json to_json(const OffsetFit& fit) {
  return {{"abs_eta", range(fit.abs_eta)},
          {"rho_zero", fit.rho_zero},
          {"rho_zero_error", fit.rho_zero_error},
          {"density", fit.density},
          {"density_error", fit.density_error},
          {"log_slope", fit.log_slope},
          {"log_slope_error", fit.log_slope_error},
          {"chi2", fit.chi2},
          {"degrees_of_freedom", std::max<std::int64_t>(0, fit.cells - 3)},
          {"jets", fit.jets},
          {"cells", fit.cells},
          {"skipped_cells", fit.skipped_cells},
          {"no_offset", fit.no_offset}};
}

Json to_json(const ResponseFit& fit) {
  Json points = Json::array();
  for (std::size_t i = 0; i < fit.points.size(); ++i) {
    const ResponsePoint& p = fit.points[i];
    points.push_back({{"pt_gen", p.pt_gen},
                      {"pt_l1", p.pt_l1},
                      {"response", p.response},
                      {"error", p.error},
                      {"closure", p.closure},
                      {"fit_error", fit.errors[i].high},
                      {"jets", p.jets},
                      {"matched_part", p.matched_part}});
  }
  return {{"abs_eta", range(fit.abs_eta)},
          {"pt", range(fit.pt)},
          {"coefficients", fit.coefficients},
          {"chi2", fit.chi2},
          {"degrees_of_freedom", fit.points.size() - fit.coefficients.size()},
          {"jets", fit.jets},
          {"merged_bins", fit.merged_bins},
          {"not_invertible_bins", fit.not_invertible},
          {"changes", fit.changes},
          {"points", points}};
}

}  // namespace

namespace detail {

std::vector<std::size_t> merge_bins(std::span<const std::int64_t> counts, std::int64_t minimum) {
  std::vector<std::size_t> groups;
  std::int64_t sum = minimum;  // the first bin starts a group
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (sum >= minimum) {
      groups.push_back(i);
      sum = 0;
    }
    sum += counts[i];
  }
  if (groups.size() > 1 && sum < minimum) groups.pop_back();
  groups.push_back(counts.size());
  return groups;
}

double rounded(double value) { return std::strtod(fmt::format("{:.10g}", value).c_str(), nullptr); }

}  // namespace detail

Derivation derive(const edm::CalibrationJets& jets, const DeriveOptions& options) {
  check(jets, options);
  Derivation derivation;
  const std::vector<EtaBin> bins = sort_jets(jets, options, derivation.counts);
  if (derivation.counts.used < options.min_jets_eta) {
    fail(ErrorCode::InvalidArgument, "too few jets to derive corrections: ", derivation.counts.used,
         " matched jets with pt_gen >= ", options.pt_gen_min, " GeV, and one bin of |eta| needs ",
         options.min_jets_eta);
  }
  const std::vector<std::size_t> groups = group_eta_bins(bins, options.min_jets_eta);
  const auto count = static_cast<std::int64_t>(groups.size()) - 1;
  derivation.counts.eta_bins = count;
  derivation.counts.merged_eta_bins = static_cast<std::int64_t>(bins.size()) - count;
  std::vector<std::int64_t> all(static_cast<std::size_t>(jets.num_jets()));
  std::iota(all.begin(), all.end(), 0);
  const std::vector<int> pileup = detail::pileup_edges(jets, all);

  derivation.offset.resize(count);
  derivation.response.resize(count);
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (stop_requested()) fail(ErrorCode::Cancelled, "stopped while corrections were derived");
      const EtaBin bin = join(bins, groups[i], groups[i + 1]);
      const Range abs_eta{kAbsEtaEdges[groups[i]], kAbsEtaEdges[groups[i + 1]]};
      derivation.offset[i] = detail::fit_offset(jets, bin.with_partner, abs_eta, pileup, options);
      derivation.response[i] = detail::fit_response(jets, bin.matched, abs_eta,
                                                    derivation.offset[i], bin.gen_counts, options);
      const std::lock_guard lock(mutex);
      ++done;
      if (options.on_progress) options.on_progress(done, count);
    }
  });
  return derivation;
}

nlohmann::ordered_json to_json(const Derivation& derivation) {
  const DerivationCounts& c = derivation.counts;
  Json document{{"counts",
                 {{"jets", c.jets},
                  {"below_pt_gen", c.below_pt_gen},
                  {"unmatched", c.unmatched},
                  {"outside_eta", c.outside_eta},
                  {"used", c.used},
                  {"without_partner", c.without_partner},
                  {"eta_bins", c.eta_bins},
                  {"merged_eta_bins", c.merged_eta_bins}}},
                {"offset", Json::array()},
                {"response", Json::array()}};
  for (const OffsetFit& fit : derivation.offset) document["offset"].push_back(to_json(fit));
  for (const ResponseFit& fit : derivation.response) document["response"].push_back(to_json(fit));
  return document;
}

}  // namespace jetcal::jec
