// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of linear layers in a row: the PFN's particle network and the head.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

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
  /// forward. x must live until backward.
  std::span<const float> forward(std::span<const float> parameters, std::span<const float> x,
                                 std::uint64_t dropout_seed);

  /// Takes the gradient of the output, writes those of the parameters, and that of x unless grad_x
  /// is empty.
  void backward(std::span<const float> parameters, std::span<const float> grad_y,
                std::span<float> grad_x, std::span<float> grad_parameters);

 private:
  bool is_linear(std::size_t layer) const noexcept;
  std::uint64_t seed_of(std::size_t layer) const noexcept;

  std::vector<LinearSlot> layers_;
  DenseStackOptions options_;
  std::uint64_t seed_ = 0;
  std::int64_t num_rows_ = 0;
  std::span<const float> x_;
  std::vector<std::vector<float>> outputs_;
  std::vector<float> gradient_, next_gradient_;
};

}  // namespace jetcal::models::detail
