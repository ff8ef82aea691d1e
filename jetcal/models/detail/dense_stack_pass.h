// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of linear layers in a row: the PFN's particle network and the head.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/kernels/dense_stack.h"
#include "jetcal/models/detail/network_plan.h"

namespace jetcal::models::detail {

/// Says what follows the layers of a stack.
struct DenseStackOptions {
  double dropout = 0;        ///< After the activation of every hidden layer.
  bool linear_last = false;  ///< The last layer has neither activation nor dropout.
};

/// Runs linear layers with ReLU and dropout.
class DenseStackPass {
 public:
  DenseStackPass(std::vector<LinearSlot> layers, const DenseStackOptions& options);

  /// Shapes: x [R, in of the first layer]. Returns [R, out of the last layer], valid until the next
  /// forward. `first_row` is the number of x's first row in the whole batch.
  std::span<const float> forward(std::span<const float> parameters, std::span<const float> x,
                                 std::uint64_t dropout_seed, std::int64_t first_row = 0);

  /// Runs the stack and adds up the rows of each segment: sums [J, out of the last layer] for
  /// offsets [J + 1].
  void forward_sums(std::span<const float> parameters, std::span<const float> x,
                    std::span<const std::int64_t> offsets, std::span<float> sums);

  /// Takes the gradient of what the last forward gave, writes those of the parameters, and that of
  /// x unless grad_x is empty.
  void backward(std::span<const float> parameters, std::span<const float> grad_y,
                std::span<float> grad_x, std::span<float> grad_parameters);

 private:
  std::vector<kernels::DenseWeights> weights_in(std::span<const float> parameters) const;

  std::vector<LinearSlot> layers_;
  DenseStackOptions options_;
  kernels::DenseStack stack_;
  std::vector<float> output_;
};

}  // namespace jetcal::models::detail
