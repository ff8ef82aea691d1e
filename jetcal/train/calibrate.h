// SPDX-License-Identifier: Apache-2.0
// Measures a trained network on jets that it has not seen: response and width of its predictions in
// bins of pt and |eta|, and what puts both right.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "jetcal/models/model.h"
#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// Part of the jets that a resolution shall cover: one standard deviation of a normal distribution.
inline constexpr double kCoverage = 0.6827;

/// Holds what a network without calibration says of jets, one value a jet.
struct PredictedJets {
  std::vector<float> log_pt;      ///< Of the corrected jet.
  std::vector<float> log_pt_gen;  ///< Jets without gen jet are left out.
  std::vector<float> log_pt_reco;
  std::vector<float> eta;
  std::vector<float> resolution;  ///< Empty when the network predicts none.
  std::int64_t size() const noexcept { return std::ssize(log_pt); }
};

/// Runs the network, with its calibration, over a split. Returns nothing when `should_stop` (may be
/// empty) told it to.
std::optional<PredictedJets> predict_all(const models::Model& model, const JetSource& source,
                                         const std::function<bool()>& should_stop);

/// Says what to derive; the resolution is calibrated wherever it is predicted.
struct CalibrationOptions {
  bool closure = false;
};

/// Derives the closure by numerical inversion: in bins of pt_gen and |eta| the median of log(pt /
/// pt_gen) is measured where the network puts the jets' pt, and taken off; three times, each with
/// the correction so far. Bins below 1.5 times the lowest pt_reco are left out: there the threshold
/// on reconstructed jets shifts the median. Bins with few jets are joined.
models::PtEtaTable derive_closure(const PredictedJets& jets);

/// Derives the factors that make the resolution cover kCoverage of the jets in bins of pt and
/// |eta|. `jets` come with the closure applied; `log_pt` is that of the network before it.
models::PtEtaTable derive_resolution(const PredictedJets& jets, const std::vector<float>& log_pt);

/// Derives both on a split of its own. `model` has no calibration.
std::optional<models::Calibration> calibrate(const models::Model& model, const JetSource& source,
                                             const CalibrationOptions& options,
                                             const std::function<bool()>& should_stop);

/// Returns tables for people and programs.
///
/// `coverage` (where a resolution is predicted): in bins of corrected pt and of pt_gen the part of
/// jets within it, its statistical error and the median resolution. `closure`: in bins of pt_gen
/// and |eta| the median of pt / pt_gen, with the spectrum as it is and weighted by pt_gen and by 1
/// / pt_gen, and the largest change.
nlohmann::ordered_json performance_json(const PredictedJets& jets);

}  // namespace jetcal::train
