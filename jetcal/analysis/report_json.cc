// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>

#include "jetcal/analysis/definitions.h"
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
  Json outside = Json::object();
  for (std::size_t i = 0; i < kPileupVariables.size(); ++i)
    outside[std::string(kPileupVariables[i].name)] = counts.outside_pileup_bins[i];
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
          {"outside_pileup_bins", outside},
          {"not_finite_by_corrector", by_corrector}};
}

Json to_json(const FlavorResiduals& residuals) {
  Json json = Json::object();
  for (std::size_t i = 0; i < kFlavorPairs.size(); ++i) {
    Json residual = to_json(residuals[i].difference);
    residual["jets"] = {residuals[i].first_jets, residuals[i].second_jets};
    residual["flags"] = Json::array();
    if (residuals[i].too_few_jets) residual["flags"].push_back("too_few_jets");
    json[std::string(kFlavorPairs[i].name)] = residual;
  }
  return json;
}

Json to_json(const BinNumbers& bin) {
  Json flags = Json::array();
  if (bin.too_few_jets) flags.push_back("too_few_jets");
  if (bin.cut_biased) flags.push_back("cut_biased");
  return {{"low", bin.low},
          {"high", bin.high},
          {"center", bin.center},
          {"mean_pt_gen", number(bin.mean_pt_gen)},
          {"jets", bin.jets},
          {"q25", number(bin.q25)},
          {"median", to_json(bin.median)},
          {"q75", number(bin.q75)},
          {"resolution", to_json(bin.resolution)},
          {"resolution_ratio", to_json(bin.resolution_ratio)},
          {"residuals", to_json(bin.residuals)},
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
          {"residuals", to_json(range.residuals)},
          {"flags", flags}};
}

Json to_json(const Histogram& histogram) {
  return {{"edges", histogram.edges},
          {"counts", histogram.counts},
          {"underflow", histogram.underflow},
          {"overflow", histogram.overflow}};
}

Json to_json(const Distribution& distribution) {
  Json json{{"range", kPtRanges[distribution.range].name}};
  json.update(to_json(distribution.histogram));
  return json;
}

Json to_json(const PileupBin& bin) {
  Json flags = Json::array();
  if (bin.too_few_jets) flags.push_back("too_few_jets");
  return {{"low", bin.low},
          {"high", bin.high},
          {"mean", bin.mean},
          {"jets", bin.jets},
          {"median", to_json(bin.median)},
          {"flags", flags}};
}

Json to_json(const PileupDependence& dependence) {
  return {
      {"variable", kPileupVariables[dependence.variable].name},
      {"range", kPtRanges[dependence.range].name},
      {"slope", to_json(dependence.slope)},
      {"slope_unit", fmt::format("response per {}", kPileupVariables[dependence.variable].unit)},
      {"fitted_bins", dependence.fitted_bins},
      {"bins", list<PileupBin>(dependence.bins, to_json)}};
}

Json to_json(const CorrectorNumbers& corrector) {
  Json regions = Json::object();
  for (std::size_t i = 0; i < kRegions.size(); ++i) {
    const RegionNumbers& numbers = corrector.regions[i];
    regions[std::string(kRegions[i].name)] = {
        {"bins", list<BinNumbers>(numbers.bins, to_json)},
        {"ranges", list<RangeNumbers>(numbers.ranges, to_json)},
        {"distributions", list<Distribution>(numbers.distributions, to_json)},
        {"pileup", list<PileupDependence>(numbers.pileup, to_json)}};
  }
  return {{"name", corrector.name},
          {"loss", number(corrector.loss.value)},
          {"loss_error", number(corrector.loss.error)},
          {"loss_gain", number(corrector.loss_gain.value)},
          {"loss_gain_error", number(corrector.loss_gain.error)},
          {"regions", regions},
          {"both_regions", {{"ranges", list<RangeNumbers>(corrector.both_regions, to_json)}}}};
}

Json definitions_json() {
  Json json = Json::object();
  for (const Definition& definition : definitions())
    json[std::string(definition.word)] = definition.meaning;
  return json;
}

Json to_json(const Spectrum& spectrum) {
  return {{"pt_gen_edges", spectrum.pt_edges},
          {"abs_eta_gen_edges", spectrum.abs_eta_edges},
          {"counts", spectrum.counts},
          {"outside", spectrum.outside}};
}

}  // namespace

nlohmann::ordered_json to_json(const Analysis& analysis) {
  Json regions = Json::array();
  for (const Region& region : kRegions) {
    regions.push_back({{"name", region.name},
                       {"abs_eta_gen_low", region.low},
                       {"abs_eta_gen_high", region.high}});
  }
  Json targets = Json::object();
  for (std::size_t i = 0; i < kRegions.size(); ++i)
    targets[std::string(kRegions[i].name)] = to_json(analysis.targets[i]);
  return {{"definitions", definitions_json()},
          {"bootstrap",
           {{"resamplings", analysis.options.resamplings}, {"seed", analysis.options.seed}}},
          {"min_jets", analysis.options.min_jets},
          {"reco_threshold", analysis.reco_threshold},
          {"counts", to_json(analysis.counts, analysis.correctors)},
          {"regions", regions},
          {"pt_edges", pt_edges()},
          {"spectrum", to_json(analysis.spectrum)},
          {"targets", targets},
          {"baseline", analysis.correctors.front().name},
          {"correctors", list<CorrectorNumbers>(analysis.correctors, to_json)}};
}

}  // namespace jetcal::analysis
