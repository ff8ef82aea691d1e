// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/dense_stack_pass.h"

#include <utility>

#include "jetcal/base/random.h"
#include "jetcal/models/detail/slot_spans.h"

namespace jetcal::models::detail {
namespace {

std::vector<kernels::DenseLayer> layers_of(const std::vector<LinearSlot>& slots, bool linear_last) {
  std::vector<kernels::DenseLayer> layers;
  layers.reserve(slots.size());
  for (const LinearSlot& slot : slots) layers.push_back({slot.in, slot.out, true});
  layers.back().relu = !linear_last;
  return layers;
}

}  // namespace

DenseStackPass::DenseStackPass(std::vector<LinearSlot> layers, const DenseStackOptions& options)
    : layers_(std::move(layers)),
      options_(options),
      stack_(layers_of(layers_, options.linear_last)) {}

std::vector<kernels::DenseWeights> DenseStackPass::weights_in(
    std::span<const float> parameters) const {
  std::vector<kernels::DenseWeights> weights;
  for (const LinearSlot& slot : layers_) {
    weights.push_back({weight_of(parameters, slot), bias_of(parameters, slot)});
  }
  return weights;
}

std::span<const float> DenseStackPass::forward(std::span<const float> parameters,
                                               std::span<const float> x, std::uint64_t dropout_seed,
                                               std::int64_t first_row) {
  std::vector<std::uint64_t> seeds;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    seeds.push_back(mix64(dropout_seed, layer));
  }
  const std::span<float> output =
      rows_in(output_, std::ssize(x) / layers_.front().in, layers_.back().out);
  stack_.forward(weights_in(parameters),
                 {.x = x,
                  .dropout = static_cast<float>(options_.dropout),
                  .seeds = seeds,
                  .first_row = first_row},
                 output);
  return output;
}

void DenseStackPass::forward_sums(std::span<const float> parameters, std::span<const float> x,
                                  std::span<const std::int64_t> offsets, std::span<float> sums) {
  stack_.forward(weights_in(parameters), {.x = x, .offsets = offsets}, sums);
}

void DenseStackPass::backward(std::span<const float> parameters, std::span<const float> grad_y,
                              std::span<float> grad_x, std::span<float> grad_parameters) {
  std::vector<kernels::DenseGradients> gradients;
  for (const LinearSlot& slot : layers_) {
    gradients.push_back({weight_of(grad_parameters, slot), bias_of(grad_parameters, slot)});
  }
  stack_.backward(weights_in(parameters), grad_y, grad_x, gradients);
}

}  // namespace jetcal::models::detail
