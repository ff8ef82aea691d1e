// SPDX-License-Identifier: Apache-2.0
// The forward pass for inference, on ragged batches.
#pragma once

#include <memory>
#include <span>

#include "jetcal/models/folded_model.h"

namespace jetcal::models {

/// Predicts y = log(pt_gen / pt_reco) for jets of any number of particles.
class Predictor {
 public:
  explicit Predictor(const Model& model);
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  /// Shapes: y [J]. Jets are independent: the same jet gives the same bits in any batch. Uses
  /// parallel_for; thread-safe.
  void predict(const edm::FeatureView& features, std::span<float> y) const;

  const ModelConfig& config() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace jetcal::models
