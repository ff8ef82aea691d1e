// SPDX-License-Identifier: Apache-2.0
// The arrays an analysis starts from, and which of their jets it uses.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "jetcal/analysis/pileup.h"
#include "jetcal/edm/flavor.h"

namespace jetcal::analysis {

/// Holds the corrected transverse momenta of one corrector.
struct Corrector {
  std::string name;
  std::vector<float> pt_corr;  ///< [J], GeV
};

/// Holds jets as read. The first corrector is the baseline.
struct JetSample {
  std::vector<float> pt_gen, eta_gen;  ///< [J]; pt_gen <= 0 means that the jet has no gen jet.
  std::vector<float> pt_reco;          ///< [J]; defines the target y = log(pt_gen / pt_reco).
  std::vector<edm::Flavor> flavor;     ///< [J]
  /// [J] each, in the order of kPileupVariables, or empty where the sample does not have it.
  std::array<std::vector<float>, kPileupVariables.size()> pileup;
  std::vector<Corrector> correctors;

  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(pt_gen.size()); }
};

/// Accounts for every jet of a sample: read = used + unmatched + not_finite + outside_regions.
struct JetCounts {
  std::int64_t read = 0;
  std::int64_t used = 0;
  std::int64_t unmatched = 0;        ///< pt_gen is 0 or negative.
  std::int64_t not_finite = 0;       ///< pt_gen, eta_gen, pt_reco or a pt_corr is NaN, infinite,
                                     ///< or a reconstructed momentum is not positive.
  std::int64_t outside_regions = 0;  ///< |eta_gen| >= 2.5.
  // Parts of `used`:
  std::int64_t undefined_flavor = 0;  ///< Left out of flavor numbers only.
  std::int64_t below_bins = 0;        ///< pt_gen under the first bin edge.
  std::int64_t above_bins = 0;        ///< pt_gen at or over the last bin edge.
  std::int64_t large_target = 0;      ///< |y| >= 1: no part of the loss, but of all other numbers.
  /// Outside of the bins of a pileup variable or NaN: left out of its numbers only.
  std::array<std::int64_t, kPileupVariables.size()> outside_pileup_bins{};
  std::vector<std::int64_t> not_finite_by_corrector;  ///< One jet may count for several.
};

/// Holds the jets that are used, as responses.
struct ResponseSample {
  std::vector<double> pt_gen;
  std::vector<double> target;  ///< y = log(pt_gen / pt_reco)
  std::vector<float> abs_eta_gen;
  std::vector<int> region;  ///< Index into kRegions.
  std::vector<edm::Flavor> flavor;
  std::array<std::vector<float>, kPileupVariables.size()> pileup;  ///< [J] or empty
  std::vector<std::string> names;                                  ///< [K] of the correctors
  std::vector<std::vector<double>> response;                       ///< [K][J] pt_corr / pt_gen
  JetCounts counts;
  double min_pt_reco = 0;  ///< Smallest pt_reco of a used jet.

  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(pt_gen.size()); }
  int num_correctors() const noexcept { return static_cast<int>(names.size()); }
};

/// Selects the jets that every corrector can be judged on; the same jets for all of them.
///
/// Throws InvalidArgument when arrays differ in length, two correctors share a name, there is no
/// corrector, or no jet is left.
ResponseSample select_jets(const JetSample& sample);

}  // namespace jetcal::analysis
