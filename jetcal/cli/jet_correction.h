// SPDX-License-Identifier: Apache-2.0
// Corrects jets with a network, wherever the network runs.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <span>
#include <vector>

#include "jetcal/data/root_jet_reader.h"
#include "jetcal/edm/features.h"

namespace jetcal::cli {

/// Writes y [J] for the jets of `features`, and their resolution [J] unless that is empty.
using PredictFunction = std::function<void(const edm::FeatureView& features, std::span<float> y,
                                           std::span<float> resolution)>;

/// Says what became of a jet.
enum class CorrectionStatus : std::uint8_t {
  Corrected = 0,
  PtNotPositive = 1,
  FeaturesNotFinite = 2,
  PredictionNotFinite = 3,
};

/// Corrected pT of every jet in file order, and the account of the jets.
struct CorrectedJets {
  std::vector<float> pt_corr;     ///< GeV: exp(y) pt; NaN for a jet that cannot be corrected.
  std::vector<float> resolution;  ///< Relative, of pt_corr; empty where the network predicts none.
  std::vector<float> y;           ///< The network's output; NaN where pt_corr is.
  std::vector<CorrectionStatus> status;
  std::int64_t corrected = 0;
  std::int64_t pt_not_positive = 0;        ///< The pT to correct is zero, negative or not finite.
  std::int64_t features_not_finite = 0;    ///< Another jet variable is not finite.
  std::int64_t prediction_not_finite = 0;  ///< The network gave no number.
  std::int64_t dropped_particles = 0;      ///< As in edm::FeatureBatch.
  std::int64_t batches = 0;                ///< Calls of the predict function.
};

/// Says what a network wants and gives, and how it may be called.
struct NetworkUse {
  edm::InputOptions inputs;
  bool with_resolution = false;
  /// Calls of the predict function that may be under way at a time, on threads of their own; 1
  /// calls it on the caller's thread.
  int calls_at_once = 1;
};

/// Corrects jets as they come, in batches of `batch_size`; for one thread. Batches and the order of
/// jets do not depend on how many calls are under way.
class NetworkCorrection {
 public:
  NetworkCorrection(const NetworkUse& use, std::int64_t batch_size, PredictFunction predict);
  NetworkCorrection(const NetworkCorrection&) = delete;
  NetworkCorrection& operator=(const NetworkCorrection&) = delete;
  /// Takes over every jet of a view, which may go afterwards.
  void add(const edm::JetView& jets);
  /// Corrects what is left and returns all jets in the order in which they came.
  CorrectedJets finish();

 private:
  struct Batch {
    edm::FeatureBatch features;
    std::vector<std::size_t> rows;  // of result_.pt_corr, one for each jet of the batch
    std::vector<float> pt;          // that the network corrects
    std::vector<float> y, resolution;
    std::future<void> done;
  };

  void add_row(const edm::JetView& jets, std::int64_t row);
  void run();
  void take_oldest();

  NetworkUse use_;
  std::int64_t batch_size_;
  PredictFunction predict_;
  CorrectedJets result_;
  Batch batch_;
  std::deque<Batch> under_way_;  // a deque does not move what it holds
};

/// Reads the file from where `reader` stands to its end, in batches of up to `batch_size` jets.
/// Throws what the reader and `predict` throw, and Cancelled after a stop signal.
CorrectedJets correct_jets(data::RootJetReader& reader, const NetworkUse& use,
                           std::int64_t batch_size, const PredictFunction& predict);

}  // namespace jetcal::cli
