// SPDX-License-Identifier: Apache-2.0
// Measures how well corrections close: the median of corrected pt over pt_gen against pt_gen, eta
// and pileup, judged by targets.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/edm/calibration_jets.h"
#include "jetcal/jec/derive.h"
#include "jetcal/jec/jet_corrector.h"

namespace jetcal::jec {

/// Says how a number stands to its target. Undecided: its statistical error is above a third of the
/// target, and it lies in a fine bin; TooFewJets: the bin has no number to judge.
enum class Verdict { NoTarget, Passed, Missed, Undecided, TooFewJets };

/// Returns "no target", "passed", "missed", "undecided" or "too few jets".
std::string_view verdict_name(Verdict verdict) noexcept;

/// A bin of the variable of its series.
struct ClosureBin {
  double low, high;
  double center;  ///< Mean of the variable.
  std::int64_t jets;
  double median, error;  ///< Of the response; the error is the bootstrap's. NaN: too few jets.
  double target;         ///< For |median - 1|; NaN when there is none.
  Verdict verdict;
};

/// Median response against one variable.
struct ClosureSeries {
  std::string variable;  ///< pt_gen, eta_gen, num_pileup or rho.
  std::string region;    ///< E.g. barrel, endcap, or the range of |eta|.
  Range abs_eta, pt_gen;
  std::vector<ClosureBin> bins;
};

/// Straight line through a series against pileup.
struct ClosureSlope {
  ClosureSeries series;
  double slope, error;  ///< Change of the median response, %, per vertex or per GeV of rho.
  double target;        ///< For |slope|; NaN when there is none.
  Verdict verdict;
};

struct Closure {
  std::vector<ClosureSeries> against_pt;   ///< Barrel, endcap, then finer ranges of |eta|.
  std::vector<ClosureSeries> against_eta;  ///< By range of pt_gen.
  std::vector<ClosureSlope> against_pileup, against_rho;  ///< Barrel and endcap, by pt_gen.
  std::int64_t jets = 0, unmatched = 0, used = 0;
  std::int64_t outside_bins = 0;  ///< Jets outside every bin of the correction: factor 1.
  std::int64_t passed = 0, missed = 0, undecided = 0, too_few_jets = 0;  ///< Of the judged numbers.
};

struct ClosureOptions {
  int resamplings = 200;
  std::uint64_t seed = 1;
  std::int64_t min_jets = 100;  ///< Bins with fewer get no number.
  std::function<void(std::int64_t done, std::int64_t total)> on_progress;  ///< Series.
};

/// Applies `corrector` to the raw pt of the matched jets and measures.
///
/// Targets, |eta_gen| < 2.5: |median - 1| < 0.5 % in the barrel (|eta_gen| < 1.3) for pt_gen in
/// [50, 1000] GeV, < 1 % in [30, 2000], < 2 % in [20, 30]; slope < 0.05 % per pileup vertex above
/// 30 GeV. Deterministic: same jets, options and corrector, same numbers, whatever the number of
/// threads. Throws InvalidArgument when there are no matched jets or the corrector needs other
/// columns.
Closure measure_closure(const edm::CalibrationJets& jets, const JetCorrector& corrector,
                        const ClosureOptions& options);

nlohmann::ordered_json to_json(const Closure& closure);

}  // namespace jetcal::jec
