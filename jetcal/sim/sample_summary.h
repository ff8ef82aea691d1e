// SPDX-License-Identifier: Apache-2.0
// Numbers of a sample, collected row by row.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jetcal/sim/jet_row.h"

namespace jetcal::sim {

/// Tells whether a row is a selected jet: genJetPt > 20 GeV and |genJetEta| < 2.5.
bool is_selected(const JetScalars& values) noexcept;

/// Numbers of a finished sample.
struct ProductionSummary {
  std::int64_t events = 0;            ///< generated, up to the one that completed the sample
  std::int64_t events_simulated = 0;  ///< of the blocks, which are whole
  std::int64_t events_accepted = 0, generator_failures = 0, jets = 0, jets_selected = 0,
               candidates = 0, calibration_jets = 0, jets_outside_correction = 0, blocks = 0,
               blocks_reused = 0;
  double cpu_seconds = 0;  ///< of the blocks, over all workers
  double wall_seconds = 0;
  std::map<std::string, std::int64_t> flavors;  ///< of the selected jets
  /// The median of jetPt / genJetPt of the selected jets in a bin, and its quartile distance.
  struct Response {
    double eta_low, eta_high, pt_low, pt_high;
    std::int64_t jets;
    double median, iqr_over_median;
  };
  std::vector<Response> response;
  double constituents = 0;                                                        ///< mean per jet
  double charged_fraction = 0, photon_fraction = 0, neutral_hadron_fraction = 0;  ///< of pT, mean
  double box_candidates = 0, rho_per_pileup = 0, area = 0;                        ///< means
};

/// Collects what a summary needs.
class SampleStatistics {
 public:
  void add(const JetRow& row);
  /// Fills everything but the counts of events and blocks and the times.
  void fill(ProductionSummary& summary) const;

 private:
  struct Matched {
    float pt_gen, eta, response;
  };
  std::vector<Matched> matched_;
  std::map<std::string, std::int64_t> flavors_;
  std::int64_t jets_ = 0, candidates_ = 0, constituents_ = 0;
  double charged_ = 0, photon_ = 0, neutral_hadron_ = 0, rho_ = 0, pileup_ = 0, area_ = 0;
};

}  // namespace jetcal::sim
