// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/dense_stack.h"

#include "jetcal/base/random.h"

namespace jetcal::cuda::detail {

template <typename T>
LayerEnd DenseStack<T>::end_of(const PassContext& context, std::size_t layer) const {
  const LinearPlace& place = layers_[layer];
  LayerEnd end{place.out, place.real_out, context.parameters + place.bias,
               true,      dropout_,       mix64(seed_, layer)};
  if (linear_last_ && layer + 1 == layers_.size()) {
    end.with_relu = false;
    end.dropout = 0;
  }
  return end;
}

template <typename T>
const T* DenseStack<T>::forward(const PassContext& context, const float* x, std::int64_t rows,
                                std::uint64_t seed) {
  x_ = x;
  rows_ = rows;
  seed_ = seed;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const LinearPlace& place = layers_[layer];
    T* const y = outputs_[layer].reserve(rows * place.out);
    if (layer == 0) {
      float* z = nullptr;
      if constexpr (std::is_same_v<T, float>) {
        z = y;
      } else {
        z = first_.reserve(rows * place.out);
      }
      context.products.forward(x, context.image.weights() + place.weight, rows, place.in, place.out,
                               z);
      finish_layer(context.queue, z, rows, end_of(context, layer), y);
      continue;
    }
    context.products.forward(outputs_[layer - 1].data(),
                             weights_of<T>(context.image) + place.weight, rows, place.in, place.out,
                             y);
    finish_layer(context.queue, y, rows, end_of(context, layer), y);
  }
  return outputs_.back().data();
}

template <typename T>
template <typename In, typename Out>
void DenseStack<T>::finish_backward(const PassContext& context, std::size_t layer, const In* grad_y,
                                    Out* grad_z) {
  const LayerEnd end = end_of(context, layer);
  finish_layer_backward(context.queue, outputs_[layer].data(), grad_y, rows_, end, grad_z,
                        context.parts);
  bias_gradient(context.queue, context.parts, rows_, end,
                context.grad_parameters + layers_[layer].bias);
}

template <typename T>
void DenseStack<T>::backward(const PassContext& context, const float* grad_y, float* grad_x) {
  for (std::size_t layer = layers_.size() - 1; layer > 0; --layer) {
    const LinearPlace& place = layers_[layer];
    T* const grad = gradient_.reserve(rows_ * place.out);
    if (layer + 1 == layers_.size()) {
      finish_backward(context, layer, grad_y, grad);
    } else {
      finish_backward(context, layer, static_cast<const T*>(grad), grad);
    }
    context.products.backward_weights(outputs_[layer - 1].data(), grad, rows_, place.in, place.out,
                                      context.image.gradient() + place.weight);
    context.products.backward_input(grad, weights_of<T>(context.image) + place.weight, rows_,
                                    place.in, place.out, /*add=*/false,
                                    next_gradient_.reserve(rows_ * place.in));
    std::swap(gradient_, next_gradient_);
  }
  const LinearPlace& place = layers_.front();
  float* const grad = first_gradient_.reserve(rows_ * place.out);
  if (layers_.size() == 1) {
    finish_backward(context, 0, grad_y, grad);
  } else {
    finish_backward(context, 0, static_cast<const T*>(gradient_.data()), grad);
  }
  context.products.backward_weights(x_, static_cast<const float*>(grad), rows_, place.in, place.out,
                                    context.image.gradient() + place.weight);
  if (grad_x == nullptr) return;
  context.products.backward_input(static_cast<const float*>(grad),
                                  context.image.weights() + place.weight, rows_, place.in,
                                  place.out, /*add=*/false, grad_x);
}

template class DenseStack<float>;
template class DenseStack<Bf16>;

}  // namespace jetcal::cuda::detail
