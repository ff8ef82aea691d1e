// SPDX-License-Identifier: Apache-2.0
// The forward pass for inference, on ragged batches.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "jetcal/kernels/precision.h"
#include "jetcal/models/folded_model.h"

namespace jetcal::models {

/// Chooses how a Predictor computes.
struct PredictorOptions {
  /// Of the layers whose input comes after a relu, but not the output layer; the rest is float.
  /// docs/inference.md says what it costs.
  kernels::Precision precision = kernels::Precision::Float32;
};

/// Returns the options for float32, bf16, int16 or int8. Throws InvalidArgument for another name.
PredictorOptions predictor_options(std::string_view precision);

/// Predicts y = log(pt_gen / pt) for jets of any number of particles; pt is pt_reco, or pt_raw
/// where the configuration's target says so.
class Predictor {
 public:
  /// Throws Unimplemented when this CPU lacks the precision, or the network does.
  explicit Predictor(const Model& model, const PredictorOptions& options = {});
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  /// Shapes: y [J]. Features beyond edm::kLargestFeature are taken for it. Jets are independent:
  /// the same jet gives the same bits in any batch. Uses parallel_for; thread-safe.
  void predict(const edm::FeatureView& features, std::span<float> y) const;

  /// The same with the resolution of y [J], the half width of its central 68 %. Throws
  /// FailedPrecondition when the network predicts none.
  void predict(const edm::FeatureView& features, std::span<float> y,
               std::span<float> resolution) const;

  const ModelConfig& config() const noexcept;
  const PredictorOptions& options() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace jetcal::models
