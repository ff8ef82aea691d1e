// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of linear layers in a row on the device.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "jetcal/cuda/detail/dense.h"
#include "jetcal/cuda/detail/network_layout.h"
#include "jetcal/cuda/detail/product.h"

namespace jetcal::cuda::detail {

/// What a pass works with: the queue, products, weights, and flat arrays of the device.
struct PassContext {
  Queue& queue;
  Products& products;
  const Image& image;
  const float* parameters = nullptr;
  float* buffers = nullptr;          ///< Running statistics; forward only.
  float* grad_parameters = nullptr;  ///< Flat; backward only.
  double* parts = nullptr;           ///< Column sums of the widest matrix.
};

template <typename T>
const T* weights_of(const Image& image) {
  if constexpr (std::is_same_v<T, float>) {
    return image.weights();
  } else {
    return image.weights_bf16();
  }
}

/// Runs linear layers with ReLU and dropout. Activations are T; the input is float, and so are the
/// gradient that comes in and that of the input.
template <typename T>
class DenseStack {
 public:
  DenseStack(std::vector<LinearPlace> layers, double dropout, bool linear_last)
      : layers_(std::move(layers)),
        dropout_(static_cast<float>(dropout)),
        linear_last_(linear_last),
        outputs_(layers_.size()) {}

  /// x [R, in] must stay until backward. Returns [R, out], valid until the next forward.
  const T* forward(const PassContext& context, const float* x, std::int64_t rows,
                   std::uint64_t seed);

  /// Writes the gradients of weights (in the image) and biases, and that of x unless it is null.
  void backward(const PassContext& context, const float* grad_y, float* grad_x);

 private:
  LayerEnd end_of(const PassContext& context, std::size_t layer) const;
  template <typename In, typename Out>
  void finish_backward(const PassContext& context, std::size_t layer, const In* grad_y,
                       Out* grad_z);

  std::vector<LinearPlace> layers_;
  float dropout_;
  bool linear_last_;
  std::uint64_t seed_ = 0;
  std::int64_t rows_ = 0;
  const float* x_ = nullptr;
  std::vector<Buffer<T>> outputs_;
  Buffer<float> first_, first_gradient_;
  Buffer<T> gradient_, next_gradient_;
};

extern template class DenseStack<float>;
extern template class DenseStack<Bf16>;

}  // namespace jetcal::cuda::detail
