// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/dense_stack_pass.h"

#include <algorithm>
#include <utility>

#include "jetcal/base/random.h"
#include "jetcal/kernels/elementwise.h"
#include "jetcal/kernels/linear.h"
#include "jetcal/models/detail/slot_spans.h"

namespace jetcal::models::detail {

DenseStackPass::DenseStackPass(std::vector<LinearSlot> layers, const DenseStackOptions& options)
    : layers_(std::move(layers)), options_(options), outputs_(layers_.size()) {}

bool DenseStackPass::is_linear(std::size_t layer) const noexcept {
  return options_.linear_last && layer + 1 == layers_.size();
}

std::uint64_t DenseStackPass::seed_of(std::size_t layer) const noexcept {
  return mix64(seed_, layer);
}

std::span<const float> DenseStackPass::forward(std::span<const float> parameters,
                                               std::span<const float> x,
                                               std::uint64_t dropout_seed) {
  x_ = x;
  seed_ = dropout_seed;
  num_rows_ = std::ssize(x) / layers_.front().in;
  std::span<const float> input = x;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const LinearSlot& slot = layers_[layer];
    const std::span<float> output = rows_in(outputs_[layer], num_rows_, slot.out);
    kernels::linear_forward(
        input, weight_of(parameters, slot), bias_of(parameters, slot), slot.in, slot.out, output,
        is_linear(layer) ? kernels::Activation::None : kernels::Activation::Relu);
    if (options_.dropout > 0 && !is_linear(layer)) {
      kernels::dropout(output, static_cast<float>(options_.dropout), seed_of(layer));
    }
    input = output;
  }
  return input;
}

void DenseStackPass::backward(std::span<const float> parameters, std::span<const float> grad_y,
                              std::span<float> grad_x, std::span<float> grad_parameters) {
  std::ranges::copy(grad_y, rows_in(gradient_, num_rows_, layers_.back().out).begin());
  for (std::size_t layer = layers_.size() - 1;; --layer) {
    const LinearSlot& slot = layers_[layer];
    const std::span<float> grad = rows_in(gradient_, num_rows_, slot.out);
    if (!is_linear(layer)) {
      if (options_.dropout > 0) {
        kernels::dropout(grad, static_cast<float>(options_.dropout), seed_of(layer));
      }
      kernels::relu_backward(rows_in(outputs_[layer], num_rows_, slot.out), grad);
    }
    const std::span<const float> input =
        layer == 0 ? x_ : std::span<const float>(rows_in(outputs_[layer - 1], num_rows_, slot.in));
    kernels::linear_backward_weights(input, grad, slot.in, slot.out,
                                     weight_of(grad_parameters, slot),
                                     bias_of(grad_parameters, slot));
    if (layer == 0 && grad_x.empty()) return;
    const std::span<float> grad_input =
        layer == 0 ? grad_x : rows_in(next_gradient_, num_rows_, slot.in);
    kernels::linear_backward_input(grad, weight_of(parameters, slot), slot.in, slot.out,
                                   grad_input);
    if (layer == 0) return;
    std::swap(gradient_, next_gradient_);
  }
}

}  // namespace jetcal::models::detail
