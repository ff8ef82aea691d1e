// SPDX-License-Identifier: Apache-2.0
// The forward pass for inference on a GPU.
#pragma once

#include <memory>
#include <span>

#include "jetcal/cuda/device.h"
#include "jetcal/models/model.h"

namespace jetcal::cuda {

/// Does what models::Predictor does, by the same calls, on the folded network.
class Predictor {
 public:
  /// Throws Unavailable without a device.
  explicit Predictor(const models::Model& model, Precision precision = Precision::Float32);
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  /// Shapes: y [J]. Large batches go to the device in pieces, so memory does not grow with J. A
  /// jet's result depends on its batch by rounding alone. A single jet of up to 512 particles runs
  /// as a recorded graph from its second call with that number of particles on. Thread-safe: calls
  /// wait for each other.
  void predict(const edm::FeatureView& features, std::span<float> y) const;

  const models::ModelConfig& config() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::cuda
