// SPDX-License-Identifier: Apache-2.0
// The forward and backward pass for training: batch statistics, dropout, gradients of every
// parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "jetcal/kernels/shared_sums.h"
#include "jetcal/models/model.h"

namespace jetcal::models {

/// Says which part of a batch a worker has.
struct BatchShare {
  std::int64_t first_jet = 0;  ///< Number of its first jet in the batch: dropout masks follow it.
  /// Makes the statistics of batch norm those of the whole batch; nullptr: of this part.
  kernels::SharedSums* sums = nullptr;
};

/// Told that the gradients [begin, end) of the flat buffer are finished.
using GradientsFinished = std::function<void(std::int64_t begin, std::int64_t end)>;

/// Runs one batch at a time; keeps its work space between batches. Not thread-safe; uses
/// parallel_for inside.
class TrainingPass {
 public:
  /// The standardisation (may be empty) is applied to the features first.
  TrainingPass(const ModelConfig& config, const Standardisation& standardisation);
  ~TrainingPass();

  /// Computes y [J, num_outputs(config)] with batch statistics over real particles and edges,
  /// updates the running statistics in `buffers` (momentum 0.1, unbiased variance, as PyTorch), and
  /// draws dropout masks from `dropout_seed`. Keeps what backward needs. `share.sums` must live
  /// until backward.
  void forward(std::span<const float> parameters, std::span<float> buffers,
               const edm::FeatureView& features, std::uint64_t dropout_seed, std::span<float> y,
               const BatchShare& share = {});

  /// Computes the gradient of every parameter [num_parameters] from the gradient of y of the last
  /// forward, once; overwrites. With one thread the result is the same bits every time.
  /// `finished`, if any, is called for ranges that cover the buffer, each once, in the order of
  /// backward: those of the head first.
  void backward(std::span<const float> parameters, std::span<const float> grad_y,
                std::span<float> grad_parameters, const GradientsFinished& finished = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::models
