// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/attention_block_pass.h"

#include <array>

#include "jetcal/kernels/elementwise.h"
#include "jetcal/kernels/linear.h"

namespace jetcal::models::detail {

AttentionBlockPass::AttentionBlockPass(const AttentionBlockSlot& slot,
                                       const kernels::AttentionShape& shape)
    : slot_(slot),
      shape_(shape),
      norm_(slot.norm),
      feed_norm_(slot.feed_norm),
      feed_forward_({{slot.expand.in, slot.expand.out, true},
                     {slot.contract.in, slot.contract.out, false}}) {}

std::span<const float> AttentionBlockPass::forward(std::span<const float> parameters,
                                                   std::span<const float> x,
                                                   const kernels::PairQuantities& pairs,
                                                   AttentionWorkspace& work) {
  x_ = x;
  pairs_ = &pairs;
  const std::int64_t rows = pairs.num_particles();
  const std::int64_t width = shape_.width();
  const std::span<float> normed = rows_in(normed_, rows, width);
  const std::span<float> qkv = rows_in(qkv_, rows, 3 * width);
  const std::span<float> attended = rows_in(attended_, rows, width);
  const std::span<float> middle = rows_in(middle_, rows, width);
  const std::span<float> output = rows_in(output_, rows, width);
  norm_.forward(parameters, x, normed);
  kernels::linear_forward(normed, weight_of(parameters, slot_.qkv), bias_of(parameters, slot_.qkv),
                          width, 3 * width, qkv);
  kernels::attention_forward(shape_, pairs, {qkv.data(), 3 * width},
                             weight_of(parameters, slot_.pair), {attended.data(), width});
  kernels::linear_forward(attended, weight_of(parameters, slot_.out),
                          bias_of(parameters, slot_.out), width, width, middle);
  kernels::add(x, middle);
  const std::span<float> feed = rows_in(work.normed, rows, width);
  feed_norm_.forward(parameters, middle, feed);
  const std::array<kernels::DenseWeights, 2> weights{
      {{weight_of(parameters, slot_.expand), bias_of(parameters, slot_.expand)},
       {weight_of(parameters, slot_.contract), bias_of(parameters, slot_.contract)}}};
  feed_forward_.forward(weights, {.x = feed}, output);
  kernels::add(middle, output);
  return output;
}

void AttentionBlockPass::backward_feed_forward(std::span<const float> parameters,
                                               std::span<float> grad,
                                               std::span<float> grad_parameters,
                                               AttentionWorkspace& work) {
  const std::int64_t rows = pairs_->num_particles();
  const std::span<float> grad_normed = rows_in(work.grad_normed, rows, shape_.width());
  const std::array<kernels::DenseWeights, 2> weights{
      {{weight_of(parameters, slot_.expand), bias_of(parameters, slot_.expand)},
       {weight_of(parameters, slot_.contract), bias_of(parameters, slot_.contract)}}};
  const std::array<kernels::DenseGradients, 2> gradients{
      {{weight_of(grad_parameters, slot_.expand), bias_of(grad_parameters, slot_.expand)},
       {weight_of(grad_parameters, slot_.contract), bias_of(grad_parameters, slot_.contract)}}};
  feed_forward_.backward(weights, grad, grad_normed, gradients);
  feed_norm_.backward(parameters, rows_in(middle_, rows, shape_.width()), grad_normed, grad, grad,
                      grad_parameters);
}

void AttentionBlockPass::backward(std::span<const float> parameters, std::span<float> grad,
                                  std::span<float> grad_parameters, AttentionWorkspace& work) {
  backward_feed_forward(parameters, grad, grad_parameters, work);
  const std::int64_t rows = pairs_->num_particles();
  const std::int64_t width = shape_.width();
  const std::span<float> grad_attended = rows_in(work.grad_attended, rows, width);
  const std::span<float> grad_qkv = rows_in(work.grad_qkv, rows, 3 * width);
  const std::span<float> grad_normed = rows_in(work.grad_normed, rows, width);
  kernels::linear_backward_weights(rows_in(attended_, rows, width), grad, width, width,
                                   weight_of(grad_parameters, slot_.out),
                                   bias_of(grad_parameters, slot_.out));
  kernels::linear_backward_input(grad, weight_of(parameters, slot_.out), width, width,
                                 grad_attended);
  kernels::attention_backward(shape_, *pairs_, {qkv_.data(), 3 * width},
                              weight_of(parameters, slot_.pair), {grad_attended.data(), width},
                              {grad_qkv.data(), 3 * width}, weight_of(grad_parameters, slot_.pair));
  kernels::linear_backward_weights(rows_in(normed_, rows, width), grad_qkv, width, 3 * width,
                                   weight_of(grad_parameters, slot_.qkv),
                                   bias_of(grad_parameters, slot_.qkv));
  kernels::linear_backward_input(grad_qkv, weight_of(parameters, slot_.qkv), width, 3 * width,
                                 grad_normed);
  norm_.backward(parameters, x_, grad_normed, grad, grad, grad_parameters);
}

}  // namespace jetcal::models::detail
