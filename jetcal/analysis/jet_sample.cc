// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/jet_sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "jetcal/analysis/cells.h"
#include "jetcal/base/error.h"

namespace jetcal::analysis {

namespace {

bool is_momentum(float pt) noexcept { return std::isfinite(pt) && pt > 0; }

void check(const JetSample& sample) {
  const std::size_t jets = sample.pt_gen.size();
  if (jets > std::numeric_limits<std::uint32_t>::max())
    fail(ErrorCode::InvalidArgument, "an analysis takes at most 4294967295 jets, got ", jets);
  if (sample.correctors.empty())
    fail(ErrorCode::InvalidArgument, "there is no corrector to analyze");
  const auto check_length = [&](const std::string& name, std::size_t length) {
    if (length != jets)
      fail(ErrorCode::InvalidArgument, "the column ", name, " has ", length, " rows, pt_gen has ",
           jets);
  };
  check_length("eta_gen", sample.eta_gen.size());
  check_length("pt_reco", sample.pt_reco.size());
  check_length("flavor", sample.flavor.size());
  for (std::size_t i = 0; i < sample.pileup.size(); ++i) {
    if (!sample.pileup[i].empty())
      check_length(std::string(kPileupVariables[i].name), sample.pileup[i].size());
  }
  std::set<std::string> names;
  for (const Corrector& corrector : sample.correctors) {
    check_length("pt_corr of " + corrector.name, corrector.pt_corr.size());
    if (!names.insert(corrector.name).second)
      fail(ErrorCode::InvalidArgument, "two correctors have the name ", corrector.name);
  }
}

// Tells whether a jet's numbers can be used, and counts the correctors that spoil it.
bool all_finite(const JetSample& sample, std::int64_t jet, JetCounts& counts) {
  bool good = std::isfinite(sample.eta_gen[jet]) && is_momentum(sample.pt_reco[jet]);
  for (std::size_t k = 0; k < sample.correctors.size(); ++k) {
    if (is_momentum(sample.correctors[k].pt_corr[jet])) continue;
    good = false;
    ++counts.not_finite_by_corrector[k];
  }
  return good;
}

void append(const JetSample& sample, std::int64_t jet, int region, ResponseSample& used) {
  const double pt_gen = sample.pt_gen[jet];
  const double target = std::log(pt_gen / sample.pt_reco[jet]);
  const int bin = find_pt_bin(pt_gen);
  used.counts.below_bins += bin < 0;
  used.counts.above_bins += bin >= kNumPtBins;
  used.counts.large_target += std::abs(target) >= 1;
  used.counts.undefined_flavor += sample.flavor[jet] == edm::Flavor::Undefined;
  used.min_pt_reco = std::min(used.min_pt_reco, static_cast<double>(sample.pt_reco[jet]));
  used.pt_gen.push_back(pt_gen);
  used.target.push_back(target);
  used.abs_eta_gen.push_back(std::abs(sample.eta_gen[jet]));
  used.region.push_back(region);
  used.flavor.push_back(sample.flavor[jet]);
  for (std::size_t i = 0; i < sample.pileup.size(); ++i) {
    if (sample.pileup[i].empty()) continue;
    const float value = sample.pileup[i][jet];
    used.pileup[i].push_back(value);
    used.counts.outside_pileup_bins[i] += find_pileup_bin(static_cast<int>(i), value) < 0;
  }
  for (std::size_t k = 0; k < sample.correctors.size(); ++k) {
    used.response[k].push_back(sample.correctors[k].pt_corr[jet] / pt_gen);
  }
}

}  // namespace

ResponseSample select_jets(const JetSample& sample) {
  check(sample);
  ResponseSample used;
  used.min_pt_reco = std::numeric_limits<double>::infinity();
  used.response.resize(sample.correctors.size());
  used.counts.not_finite_by_corrector.resize(sample.correctors.size());
  for (const Corrector& corrector : sample.correctors) used.names.push_back(corrector.name);

  used.counts.read = sample.num_jets();
  for (std::int64_t jet = 0; jet < sample.num_jets(); ++jet) {
    if (sample.pt_gen[jet] <= 0) {
      ++used.counts.unmatched;
      continue;
    }
    if (!std::isfinite(sample.pt_gen[jet]) || !all_finite(sample, jet, used.counts)) {
      ++used.counts.not_finite;
      continue;
    }
    const int region = find_region(sample.eta_gen[jet]);
    if (region < 0) {
      ++used.counts.outside_regions;
      continue;
    }
    append(sample, jet, region, used);
  }
  used.counts.used = used.num_jets();
  if (used.counts.used == 0)
    fail(ErrorCode::InvalidArgument, "no jet is left to analyze: ", used.counts.read, " read, ",
         used.counts.unmatched, " unmatched, ", used.counts.not_finite, " not finite, ",
         used.counts.outside_regions, " outside |eta_gen| < ", kRegions.back().high);
  return used;
}

}  // namespace jetcal::analysis
