// SPDX-License-Identifier: Apache-2.0
// Corrects every jet of a ROOT file with a network, wherever the network runs.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "jetcal/data/root_jet_reader.h"
#include "jetcal/edm/features.h"

namespace jetcal::cli {

/// Writes y [J] for the jets of `features`.
using PredictFunction = std::function<void(const edm::FeatureView& features, std::span<float> y)>;

/// Corrected pT of every jet in file order, and the account of the jets.
struct CorrectedJets {
  std::vector<float> pt_corr;  ///< GeV: exp(y) pt_reco; NaN for a jet that cannot be corrected.
  std::int64_t corrected = 0;
  std::int64_t pt_not_positive = 0;        ///< pt_reco is zero, negative or not finite.
  std::int64_t features_not_finite = 0;    ///< Another jet variable is not finite.
  std::int64_t prediction_not_finite = 0;  ///< The network gave no number.
  std::int64_t dropped_particles = 0;      ///< As in edm::FeatureBatch.
  std::int64_t batches = 0;                ///< Calls of the predict function.
};

/// Reads the file from where `reader` stands to its end, in batches of up to `batch_size` jets.
/// Throws what the reader and `predict` throw, and Cancelled after a stop signal.
CorrectedJets correct_jets(data::RootJetReader& reader, edm::InputMode mode,
                           std::int64_t batch_size, const PredictFunction& predict);

}  // namespace jetcal::cli
