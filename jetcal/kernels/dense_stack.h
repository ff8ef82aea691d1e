// SPDX-License-Identifier: Apache-2.0
// Trains linear layers in a row: the rows go through all of them tile by tile, in cache.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace jetcal::kernels {

struct DenseLayer {
  std::int64_t in = 0, out = 0;
  bool relu = true;
};

/// Holds a layer's numbers, weight [out, in] and bias [out]; T is const float or float.
template <typename T>
struct DenseParameters {
  std::span<T> weight, bias;
};
using DenseWeights = DenseParameters<const float>;
using DenseGradients = DenseParameters<float>;

/// Names the rows that go through a stack.
struct DenseRows {
  std::span<const float> x = {};  ///< [R, in of the first layer]
  /// Empty, or where the rows of each segment start, J + 1 of them: y then has one row a segment,
  /// the sum of its rows.
  std::span<const std::int64_t> offsets = {};
  float dropout = 0;  ///< After every layer with ReLU, as elementwise.h does it.
  std::span<const std::uint64_t> seeds = {};  ///< One a layer where there is dropout.
  std::int64_t first_row = 0;  ///< Number of x's first row, from which its dropout masks follow.
};

/// Keeps the work space of a stack between batches, and what backward needs of the last forward.
///
/// Uses parallel_for; one call at a time. Tiles and the blocks of them whose gradients are summed
/// on their own follow from the rows alone: the same bits with any number of threads.
class DenseStack {
 public:
  explicit DenseStack(std::vector<DenseLayer> layers);
  ~DenseStack();

  /// Computes y [R, out of the last layer], or [J, out]. `weights` has an entry for each layer.
  void forward(std::span<const DenseWeights> weights, const DenseRows& rows, std::span<float> y);

  /// Takes the gradient of y; overwrites those of the weights, and that of x unless grad_x is
  /// empty.
  void backward(std::span<const DenseWeights> weights, std::span<const float> grad_y,
                std::span<float> grad_x, std::span<const DenseGradients> gradients);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::kernels
