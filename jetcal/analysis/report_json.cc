// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "jetcal/analysis/report.h"

namespace jetcal::analysis {

namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

template <typename T>
Json list(const std::vector<T>& items, Json (*convert)(const T&)) {
  Json json = Json::array();
  for (const T& item : items) json.push_back(convert(item));
  return json;
}

Json to_json(const Estimate& estimate) {
  return {{"value", number(estimate.value)}, {"error", number(estimate.error)}};
}

Json to_json(const JetCounts& counts, const std::vector<CorrectorNumbers>& correctors) {
  Json by_corrector = Json::object();
  for (std::size_t k = 0; k < correctors.size(); ++k) {
    by_corrector[correctors[k].name] = counts.not_finite_by_corrector[k];
  }
  return {{"read", counts.read},
          {"used", counts.used},
          {"unmatched", counts.unmatched},
          {"not_finite", counts.not_finite},
          {"outside_regions", counts.outside_regions},
          {"undefined_flavor", counts.undefined_flavor},
          {"below_bins", counts.below_bins},
          {"above_bins", counts.above_bins},
          {"large_target", counts.large_target},
          {"not_finite_by_corrector", by_corrector}};
}

Json to_json(const BinNumbers& bin) {
  Json flags = Json::array();
  if (bin.too_few_jets) flags.push_back("too_few_jets");
  if (bin.too_few_flavored) flags.push_back("too_few_flavored");
  if (bin.cut_biased) flags.push_back("cut_biased");
  return {{"low", bin.low},
          {"high", bin.high},
          {"center", bin.center},
          {"mean_pt_gen", number(bin.mean_pt_gen)},
          {"jets", bin.jets},
          {"light_quark_jets", bin.light_quark_jets},
          {"gluon_jets", bin.gluon_jets},
          {"q25", number(bin.q25)},
          {"median", to_json(bin.median)},
          {"q75", number(bin.q75)},
          {"resolution", to_json(bin.resolution)},
          {"resolution_ratio", to_json(bin.resolution_ratio)},
          {"light_minus_gluon", to_json(bin.light_minus_gluon)},
          {"flags", flags}};
}

Json to_json(const RangeNumbers& range) {
  Json flags = Json::array();
  if (range.too_few_jets) flags.push_back("too_few_jets");
  if (range.too_few_flavored) flags.push_back("too_few_flavored");
  if (range.cut_biased) flags.push_back("cut_biased");
  Json flavors = Json::object();
  for (std::size_t i = 0; i < edm::kFlavors.size(); ++i) {
    Json flavor = to_json(range.flavor_medians[i]);
    flavor["jets"] = range.flavor_jets[i];
    flavors[std::string(flavor_name(edm::kFlavors[i]))] = flavor;
  }
  return {{"range", kPtRanges[range.range].name},
          {"low", kPtRanges[range.range].low},
          {"high", number(kPtRanges[range.range].high)},
          {"jets", range.jets},
          {"median", to_json(range.median)},
          {"resolution", to_json(range.resolution)},
          {"beta", to_json(range.beta)},
          {"flavor_medians", flavors},
          {"sae", to_json(range.sae)},
          {"alpha", to_json(range.alpha)},
          {"flags", flags}};
}

Json to_json(const Distribution& distribution) {
  return {{"range", kPtRanges[distribution.range].name},
          {"edges", distribution.edges},
          {"counts", distribution.counts},
          {"underflow", distribution.underflow},
          {"overflow", distribution.overflow}};
}

Json to_json(const CorrectorNumbers& corrector) {
  Json regions = Json::object();
  for (std::size_t i = 0; i < kRegions.size(); ++i) {
    const RegionNumbers& numbers = corrector.regions[i];
    regions[std::string(kRegions[i].name)] = {
        {"bins", list<BinNumbers>(numbers.bins, to_json)},
        {"ranges", list<RangeNumbers>(numbers.ranges, to_json)},
        {"distributions", list<Distribution>(numbers.distributions, to_json)}};
  }
  return {{"name", corrector.name},
          {"loss", number(corrector.loss)},
          {"loss_gain", number(corrector.loss_gain)},
          {"regions", regions}};
}

Json definitions() {
  return {{"response", "pt_corr / pt_gen"},
          {"quantile", "linear interpolation between order statistics (numpy's default)"},
          {"resolution", "(q75 - q25) / median of the response"},
          {"sae", "sum over u, d, s, c, b, g of |median - mean of the six medians|"},
          {"alpha", "1 - sae(model) / sae(baseline)"},
          {"beta", "1 - resolution(model) / resolution(baseline)"},
          {"light_minus_gluon", "median response of u, d and s jets minus that of g jets"},
          {"loss", "mean of |log(pt_gen / pt_corr)| over used jets, 0 where |y| >= 1"},
          {"y", "log(pt_gen / pt_reco)"},
          {"error", "standard deviation over bootstrap resamplings, the same for all correctors"},
          {"interval", "low <= pt_gen < high, GeV"}};
}

}  // namespace

nlohmann::ordered_json to_json(const Analysis& analysis) {
  Json regions = Json::array();
  for (const Region& region : kRegions) {
    regions.push_back({{"name", region.name},
                       {"abs_eta_gen_low", region.low},
                       {"abs_eta_gen_high", region.high}});
  }
  return {{"definitions", definitions()},
          {"bootstrap",
           {{"resamplings", analysis.options.resamplings}, {"seed", analysis.options.seed}}},
          {"min_jets", analysis.options.min_jets},
          {"reco_threshold", analysis.reco_threshold},
          {"counts", to_json(analysis.counts, analysis.correctors)},
          {"regions", regions},
          {"pt_edges", pt_edges()},
          {"baseline", analysis.correctors.front().name},
          {"correctors", list<CorrectorNumbers>(analysis.correctors, to_json)}};
}

}  // namespace jetcal::analysis
