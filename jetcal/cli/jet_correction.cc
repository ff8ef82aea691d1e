// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/jet_correction.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

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
  edm::append_features(jets, row, use_.inputs, batch_.features);
  batch_.rows.push_back(result_.pt_corr.size() - 1);
  batch_.pt.push_back(pt);
  if (batch_.features.num_jets() == batch_size_) run();
}

// Starts the batch, after those before it as far as there is room.
void NetworkCorrection::run() {
  while (std::ssize(under_way_) >= use_.calls_at_once) take_oldest();
  Batch& batch = under_way_.emplace_back(std::exchange(batch_, {}));
  batch.y.resize(batch.rows.size());
  batch.resolution.resize(use_.with_resolution ? batch.rows.size() : 0);
  const auto policy = use_.calls_at_once > 1 ? std::launch::async : std::launch::deferred;
  batch.done = std::async(
      policy, [this, &batch] { predict_(batch.features.view(), batch.y, batch.resolution); });
}

void NetworkCorrection::take_oldest() {
  Batch& batch = under_way_.front();
  batch.done.get();
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    const std::size_t row = batch.rows[i];
    const float corrected = std::exp(batch.y[i]) * batch.pt[i];
    if (!std::isfinite(corrected)) {
      ++result_.prediction_not_finite;
      result_.status[row] = CorrectionStatus::PredictionNotFinite;
      continue;
    }
    result_.pt_corr[row] = corrected;
    result_.y[row] = batch.y[i];
    result_.status[row] = CorrectionStatus::Corrected;
    if (use_.with_resolution) result_.resolution[row] = batch.resolution[i];
    ++result_.corrected;
  }
  result_.dropped_particles += batch.features.dropped_particles;
  ++result_.batches;
  under_way_.pop_front();
}

CorrectedJets NetworkCorrection::finish() {
  if (batch_.features.num_jets() > 0) run();
  while (!under_way_.empty()) take_oldest();
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
