// SPDX-License-Identifier: Apache-2.0
// Judges a simulated sample by numbers of CMS.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "jetcal/edm/calibration_jets.h"
#include "jetcal/edm/jet_columns.h"
#include "jetcal/jec/jet_corrector.h"
#include "jetcal/sim/calibration_row.h"

namespace jetcal::sim {

/// Charged candidates, photons and neutral hadrons; HF candidates count with the last two.
constexpr std::size_t kNumKinds = 3;
constexpr std::array<const char*, kNumKinds> kKindNames{"charged", "photons", "neutral hadrons"};
/// Returns the kind of a candidate by its PDG number.
std::size_t kind_of(std::int32_t pdg) noexcept;

/// What validation keeps of each jet of a sample.
struct ValidationJets {
  std::vector<float> pt, pt_raw, eta, area, rho, pt_gen, eta_gen, num_pileup;
  std::vector<std::int32_t> flavor;  ///< as edm::jet_flavor
  std::array<std::vector<std::int32_t>, kNumKinds> constituents;
  std::array<std::vector<float>, kNumKinds> fraction;  ///< of the pT of the constituents
  std::vector<std::int32_t> box;                       ///< candidates with |dEta|, |dPhi| < 1
  /// Candidates of the boxes by cell (see cell_of), kind and pT.
  static constexpr int kNumPtBins = 400;
  std::vector<std::array<std::array<std::int64_t, kNumPtBins>, kNumKinds>> candidate_pt;

  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(pt.size()); }
  /// Appends jets of the same file; num_pileup is of each of them.
  void append(const edm::JetView& jets, std::span<const float> pileup);
};

/// Cells of pT and number of pileup collisions in which two samples are matched; -1 outside.
int cell_of(double pt, double num_pileup) noexcept;
int num_cells() noexcept;

/// Counts of candidates of one event, as in calibration/events.
struct EventCounts {
  double num_pileup = 0, rho = 0;
  std::array<double, kNumKinds> central{}, forward{};  ///< |eta| < 1.3; 1.5 to 2.5
};

/// A number and how it stands to its target.
struct Check {
  std::string block, name;
  double value, error;              ///< standard error
  double low, high;                 ///< the target; NaN when there is none
  std::int64_t count;               ///< jets or events behind the value
  std::string source;               ///< of the target or of the number compared with
  double real = 0, real_error = 0;  ///< the number compared with, when has_real
  bool has_real = false;

  bool has_target() const noexcept;
  bool passed() const noexcept;
};

/// Median and spread of responses, with errors from 200 resamplings.
struct Spread {
  std::int64_t count = 0;
  double median, median_error, resolution, resolution_error;
};
Spread measure_spread(std::span<const double> values, std::uint64_t seed);

/// Response after L1 at the raw pT of the targets and the pileup offset, from jets without a
/// threshold.
///
/// A target at raw pT p is met by jets with pT_gen within 20 % of g, where the median pT after L1
/// of the window is p; g is found by iteration.
std::vector<Check> check_calibration(const edm::CalibrationJets& jets,
                                     const jec::JetCorrector& corrector);
/// Resolution, flavor differences, their order, and constituents.
std::vector<Check> check_sample(const ValidationJets& jets);
/// Compares jets above 30 GeV in |eta| < 2.5, weighted in cells of pT and pileup so that they have
/// the spectrum of the real ones; `unmatched` counts real jets in cells without simulated ones.
std::vector<Check> compare_jets(const ValidationJets& jets, const ValidationJets& real,
                                std::int64_t& unmatched);
/// Compares events weighted by their pileup.
std::vector<Check> compare_events(std::span<const EventCounts> events,
                                  std::span<const EventCounts> real, std::int64_t& unmatched);
/// The same against the stored numbers, of all jets and events.
std::vector<Check> compare_with_stored(const ValidationJets& jets,
                                       std::span<const EventCounts> events);

}  // namespace jetcal::sim
