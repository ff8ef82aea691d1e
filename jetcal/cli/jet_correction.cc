// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/jet_correction.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/base/progress.h"
#include "jetcal/base/stop.h"

namespace jetcal::cli {
namespace {

constexpr std::int64_t kChunkEntries = 4096;

}  // namespace

NetworkCorrection::NetworkCorrection(const NetworkUse& use, std::int64_t batch_size,
                                     PredictFunction predict)
    : use_(use), batch_size_(batch_size), predict_(std::move(predict)) {}

void NetworkCorrection::add(const edm::JetView& jets) {
  for (std::int64_t row = 0; row < jets.num_jets; ++row) add_row(jets, row);
}

void NetworkCorrection::add_row(const edm::JetView& jets, std::int64_t row) {
  const bool raw = use_.inputs.reference == edm::Reference::Raw;
  const float pt = raw ? jets.pt_raw[row] : jets.pt_reco[row];
  result_.pt_corr.push_back(std::numeric_limits<float>::quiet_NaN());
  result_.y.push_back(std::numeric_limits<float>::quiet_NaN());
  result_.status.push_back(CorrectionStatus::PtNotPositive);
  if (use_.with_resolution) result_.resolution.push_back(std::numeric_limits<float>::quiet_NaN());
  if (!(pt > 0) || !std::isfinite(pt)) {
    ++result_.pt_not_positive;
    return;
  }
  for (const float value :
       {jets.eta[row], jets.phi[row], jets.mass[row], jets.area[row], jets.qg_pt_d[row],
        jets.qg_axis2[row], jets.pt_reco[row],
        use_.inputs.features == edm::FeatureSet::Extended ? jets.rho[row] : 0.0F}) {
    if (std::isfinite(value)) continue;
    ++result_.features_not_finite;
    result_.status.back() = CorrectionStatus::FeaturesNotFinite;
    return;
  }
  // Its logarithm is a feature.
  if (raw && !(jets.pt_reco[row] > 0)) {
    ++result_.pt_not_positive;
    return;
  }
  edm::append_features(jets, row, use_.inputs, batch_);
  rows_.push_back(result_.pt_corr.size() - 1);
  pt_.push_back(pt);
  if (batch_.num_jets() == batch_size_) run();
}

void NetworkCorrection::run() {
  std::vector<float> y(rows_.size());
  std::vector<float> resolution(use_.with_resolution ? rows_.size() : 0);
  predict_(batch_.view(), y, resolution);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const float corrected = std::exp(y[i]) * pt_[i];
    if (!std::isfinite(corrected)) {
      ++result_.prediction_not_finite;
      result_.status[rows_[i]] = CorrectionStatus::PredictionNotFinite;
      continue;
    }
    result_.pt_corr[rows_[i]] = corrected;
    result_.y[rows_[i]] = y[i];
    result_.status[rows_[i]] = CorrectionStatus::Corrected;
    if (use_.with_resolution) result_.resolution[rows_[i]] = resolution[i];
    ++result_.corrected;
  }
  result_.dropped_particles += batch_.dropped_particles;
  ++result_.batches;
  batch_.clear();
  rows_.clear();
  pt_.clear();
}

CorrectedJets NetworkCorrection::finish() {
  if (batch_.num_jets() > 0) run();
  return std::move(result_);
}

CorrectedJets correct_jets(data::RootJetReader& reader, const NetworkUse& use,
                           std::int64_t batch_size, const PredictFunction& predict) {
  NetworkCorrection corrector(use, batch_size, predict);
  Progress progress("correcting", reader.source().num_entries,
                    reader.source().rows_are_events() ? "events" : "jets");
  for (;;) {
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped by a signal, nothing was written");
    edm::JetColumns jets;
    if (reader.read(kChunkEntries, jets) == 0) break;
    corrector.add(jets.view());
    progress.update(reader.next_entry());
  }
  progress.finish();
  return corrector.finish();
}

}  // namespace jetcal::cli
